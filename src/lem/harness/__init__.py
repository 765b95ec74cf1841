"""Around lm-evaluation-harness: its tasks, a model behind MLX for it, its results as our records.

with tasks.opened(study.task("arc_like")) as opened:
    print(len(opened.task.eval_docs))
"""

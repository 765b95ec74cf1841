"""Speed, side by side with what one would run instead. `make bench` prints the table.

python -m benches                     # everything, some twenty minutes on two cores
python -m benches sandwich            # those whose name holds this word
python -m benches lora-step-vs-peft   # the one whose name this is
"""

"""Every number in a report leads back to the rows, the prompt, the weights and the command.

`lem` is the package behind the reference study in this repository and behind
any other study: it reads `params.yaml` and `engine.yaml` of the folder it runs
in, writes below `data/` and `reports/`, and knows no model by name.

    lem --help
"""

__version__ = "0.1.0"

"""What measures Abovefold beside its peers; `run.py` is the program."""

"""Speed, side by side with what one would run instead. `make bench` prints the table.

python -m benches            # everything, about ten minutes on two cores
python -m benches sandwich   # those whose name holds this word
"""

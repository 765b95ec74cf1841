-- one row a foreign row that could not be imported
select source, file, line, reason, text
from raw_quarantined

-- warning: a source with both regimes, and too few models in both to say what training before the test changes
select source, note as detail
from agreement
where contains(regime, ' - ') and models < 5

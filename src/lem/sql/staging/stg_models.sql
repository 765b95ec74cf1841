-- one row a set of weights
select
    source, name, role, family, scale, variant, base, origin, licence, dtype, quantization,
    weights_sha, adapter_sha, coalesce(entry, name) as entry, seed, data, data_sha, training, engine
from raw_models

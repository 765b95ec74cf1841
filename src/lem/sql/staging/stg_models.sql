-- one row a set of weights
select
    source, name, role, family, scale, variant, base, origin, licence, dtype, quantization,
    weights_sha, adapter_sha
from raw_models

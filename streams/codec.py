"""The codec of a process."""

from avro.codec import Codec
from streams.settings import Instellingen


def maak_codec(instellingen: Instellingen) -> Codec:
    """With the ids of the registry when one is set, else those of the index beside the schemas."""
    if not instellingen.schema_registry:
        return Codec()
    from avro.registry import RegistrySchemas  # what it brings takes as long to import as all the rest

    return Codec(RegistrySchemas(instellingen.schema_registry, instellingen.topic_prefix))

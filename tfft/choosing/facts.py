"""What KerasHub does not say of its presets: sizes, languages, casing, licence, length.

A licence is that of the weights as their authors publish them. "unknown" stands where they do not
say, or say nothing that could be checked; it is no guess in either direction.
"""

from typing import NamedTuple

UNKNOWN = "unknown"
APACHE, MIT = "Apache-2.0", "MIT"


class Facts(NamedTuple):
    """Of one preset.

    Attributes:
        num_layers: of the backbone.
        hidden_dim: of its vectors; the feed-forward part is four times as wide in all of them.
        languages: a code of ISO 639-1, or `multi (how many)`.
        casing: `cased`, `uncased` or `unknown`.
        licence: an identifier of SPDX, or `unknown`.
        sequence_length: the most pieces of a row.
    """

    num_layers: int
    hidden_dim: int
    languages: str
    casing: str
    licence: str
    sequence_length: int = 512


FACTS = {
    "minilm": Facts(6, 384, "en", "uncased", APACHE),
    # Devlin et al. 2019; the small ones Turc et al. 2019.
    "bert_tiny_en_uncased": Facts(2, 128, "en", "uncased", APACHE),
    "bert_small_en_uncased": Facts(4, 512, "en", "uncased", APACHE),
    "bert_medium_en_uncased": Facts(8, 512, "en", "uncased", APACHE),
    "bert_base_en_uncased": Facts(12, 768, "en", "uncased", APACHE),
    "bert_base_en": Facts(12, 768, "en", "cased", APACHE),
    "bert_base_zh": Facts(12, 768, "zh", UNKNOWN, APACHE),
    "bert_base_multi": Facts(12, 768, "multi (104)", "cased", APACHE),
    "bert_large_en_uncased": Facts(24, 1024, "en", "uncased", APACHE),
    "bert_large_en": Facts(24, 1024, "en", "cased", APACHE),
    "bert_tiny_en_uncased_sst2": Facts(2, 128, "en", "uncased", UNKNOWN),
    # Sentence-transformers.
    "all_minilm_l6_v2_en": Facts(6, 384, "en", "uncased", APACHE),
    "all_minilm_l6_v1_en": Facts(6, 384, "en", "uncased", APACHE),
    "all_minilm_l12_v2_en": Facts(12, 384, "en", "uncased", APACHE),
    "paraphrase_minilm_l3_v2_en": Facts(3, 384, "en", "uncased", APACHE),
    "paraphrase_minilm_l6_v2_en": Facts(6, 384, "en", "uncased", APACHE),
    "paraphrase_minilm_l12_v2_en": Facts(12, 384, "en", "uncased", APACHE),
    "multi_qa_minilm_l6_cos_v1_en": Facts(6, 384, "en", "uncased", UNKNOWN),
    "multi_qa_minilm_l6_dot_v1_en": Facts(6, 384, "en", "uncased", UNKNOWN),
    "msmarco_minilm_l6_cos_v5_en": Facts(6, 384, "en", "uncased", UNKNOWN),
    "msmarco_minilm_l12_cos_v5_en": Facts(12, 384, "en", "uncased", UNKNOWN),
    # BAAI's BGE.
    "bge_small_en": Facts(12, 384, "en", "uncased", MIT),
    "bge_base_en": Facts(12, 768, "en", "uncased", MIT),
    "bge_large_en": Facts(24, 1024, "en", "uncased", MIT),
    "bge_small_v1.5_en": Facts(12, 384, "en", "uncased", MIT),
    "bge_base_v1.5_en": Facts(12, 768, "en", "uncased", MIT),
    "bge_large_v1.5_en": Facts(24, 1024, "en", "uncased", MIT),
    "bge_base_zh": Facts(12, 768, "zh", UNKNOWN, MIT),
    "bge_large_zh": Facts(24, 1024, "zh", UNKNOWN, MIT),
    # KerasHub's description says 12 layers, its number of parameters that there are 4.
    "bge_small_v1.5_zh": Facts(4, 512, "zh", UNKNOWN, MIT),
    "bge_base_v1.5_zh": Facts(12, 768, "zh", UNKNOWN, MIT),
    "bge_large_v1.5_zh": Facts(24, 1024, "zh", UNKNOWN, MIT),
    "bge_llm_embedder": Facts(12, 768, "en", "uncased", MIT),
    "bge_m3": Facts(24, 1024, "multi (100+)", "cased", MIT, 8192),
    # Wang et al. 2024.
    "multilingual_e5_small": Facts(12, 384, "multi (100)", "cased", MIT),
    "multilingual_e5_base": Facts(12, 768, "multi (100)", "cased", MIT),
    "multilingual_e5_large": Facts(24, 1024, "multi (100)", "cased", MIT),
    # Mixedbread.
    "mxbai_embed_large_v1_en": Facts(24, 1024, "en", "uncased", APACHE),
    "mxbai_embed_2d_large_v1_en": Facts(24, 1024, "en", "uncased", APACHE),
    "mxbai_embed_xsmall_v1_en": Facts(6, 384, "en", "uncased", APACHE, 4096),
    # Sanh et al. 2019.
    "distil_bert_base_en_uncased": Facts(6, 768, "en", "uncased", APACHE),
    "distil_bert_base_en": Facts(6, 768, "en", "cased", APACHE),
    "distil_bert_base_multi": Facts(6, 768, "multi (104)", "cased", APACHE),
    # Liu et al. 2019, Conneau et al. 2020.
    "roberta_base_en": Facts(12, 768, "en", "cased", MIT),
    "roberta_large_en": Facts(24, 1024, "en", "cased", MIT),
    "xlm_roberta_base_multi": Facts(12, 768, "multi (100)", "cased", MIT),
    "xlm_roberta_large_multi": Facts(24, 1024, "multi (100)", "cased", MIT),
    # Lan et al. 2020.
    "albert_base_en_uncased": Facts(12, 768, "en", "uncased", APACHE),
    "albert_large_en_uncased": Facts(24, 1024, "en", "uncased", APACHE),
    "albert_extra_large_en_uncased": Facts(24, 2048, "en", "uncased", APACHE),
    "albert_extra_extra_large_en_uncased": Facts(12, 4096, "en", "uncased", APACHE),
    # Clark et al. 2020.
    "electra_small_discriminator_uncased_en": Facts(12, 256, "en", "uncased", APACHE),
    "electra_small_generator_uncased_en": Facts(12, 256, "en", "uncased", APACHE),
    "electra_base_discriminator_uncased_en": Facts(12, 768, "en", "uncased", APACHE),
    "electra_base_generator_uncased_en": Facts(12, 256, "en", "uncased", APACHE),
    "electra_large_discriminator_uncased_en": Facts(24, 1024, "en", "uncased", APACHE),
    "electra_large_generator_uncased_en": Facts(24, 256, "en", "uncased", APACHE),
    # He et al. 2023.
    "deberta_v3_extra_small_en": Facts(12, 384, "en", "cased", MIT),
    "deberta_v3_small_en": Facts(6, 768, "en", "cased", MIT),
    "deberta_v3_base_en": Facts(12, 768, "en", "cased", MIT),
    "deberta_v3_large_en": Facts(24, 1024, "en", "cased", MIT),
    "deberta_v3_base_multi": Facts(12, 768, "multi (100)", "cased", MIT),
}

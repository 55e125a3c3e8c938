"""Which pretrained backbone to take: a list of them, and a quick trial on somebody's own texts."""

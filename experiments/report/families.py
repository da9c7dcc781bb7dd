"""The family of an architecture, by its class: what a reader filters and groups by."""

OTHER = "other"
FAMILIES = {
    "n-grams": (
        *("NaiveBayes", "TfidfLogReg", "TfidfCharLogReg", "NBLogReg", "LinearSVM"),
        *("BowForest", "TfidfForest"),
    ),
    "word vectors": (
        *("VectorAverageLogReg", "VectorAverageForest", "CentroidsLogReg", "CentroidsForest"),
        "Doc2VecLogReg",
    ),
    "bags": ("Perceptron", "Logistic", "MLP", "Bag", "FastText", "NBBag"),
    "recurrent": (*("RNN", "GRU", "LSTM", "StackedLSTM", "BidirectionalLSTM", "BidirectionalGRU"),),
    "convolutional": ("CNN", "CNNLSTM", "RCNN", "DPCNN"),
    "attention, capsules": ("AttentionLSTM", "HierarchicalAttention", "Capsule"),
    "Transformers": ("Transformer", "LinearTransformer"),
    "pretrained": ("BERT", "DistilledBERT"),
}
_BY_CLASS = {name: family for family, names in FAMILIES.items() for name in names}


def family(architecture: str) -> str:
    """The family of a class; `other` for one that is not this repository's."""
    return _BY_CLASS.get(architecture, OTHER)

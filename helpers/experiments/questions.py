"""Which arms are compared, and what article B reports."""

Questions = dict[str, tuple[str, str]]

STEPS: Questions = {
    "BatchNorm": ("bn_relu", "relu"),
    "the extra layer": ("dw_bn_relu", "bn_relu"),
    "funnel": ("frelu", "dw_bn_relu"),
}
"""Question -> (arm, reference). Three steps from `relu` to `frelu`, each with one thing more."""

QUESTIONS: Questions = {
    "the swap": ("frelu", "relu"),
    "FReLU or Mish?": ("frelu", "mish"),
    **STEPS,
    "the neighbourhood": ("frelu", "frelu_1x1"),
    "maximum or sum?": ("frelu", "sum_funnel"),
    "one more BatchNorm": ("bn_frelu", "frelu"),
}
"""Of the LeNet, in notebook 06."""

PARTS: Questions = {
    "wider window": ("frelu_5x5", "frelu"),
    "row and column": ("frelu_1x3_3x1", "frelu"),
    "max-pooling": ("max_pool_funnel", "frelu"),
    "average-pooling": ("avg_pool_funnel", "frelu"),
    "no BatchNorm": ("frelu_no_bn", "frelu"),
    "beginning as ReLU": ("frelu_gamma0", "frelu"),
    "no funnel, wider": ("relu_wide", "frelu"),
}
"""Of the funnel's parts, in notebook 06."""

REACH: Questions = {
    "reach": ("wide_conv", "bn_relu"),
    "the extra layer beyond reach": ("dw_bn_relu", "wide_conv"),
    "the funnel's layers and wiring": ("frelu", "wide_conv"),
}
"""Of a wider convolution in the extra layer's place, in notebook 06; asked after the first runs."""

ARTICLE_B = {
    "surfaces": {"relu": (0.768, 0.773), "mish": (0.782, 0.788), "frelu": (0.778, 0.784)},
    "regions": {"relu": (0.273, 0.321), "mish": (0.331, 0.341), "frelu": (0.329, 0.339)},
}
"""Article B's mean and maximum of five runs, mean IoU, copied and not measured here."""

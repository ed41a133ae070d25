"""Recipes, the training loop, augmentation, and what a trained network predicts."""

from .augmentation import augment
from .loop import History, fit, load_weights
from .map_prediction import class_maps, set_matrix
from .prediction import Evaluation, evaluate, predict
from .recipes import Recipe, article_unet_recipe, modern_unet_recipe, tutorial_recipe

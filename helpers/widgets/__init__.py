"""The widgets: state -> arrays -> picture, in ipywidgets, one module each."""

from .channels import channel_look
from .explorer import activation_explorer
from .funnel import funnel_lab
from .reach import receptive_field
from .scenes import segmentation_explorer
from .shell import show_widget

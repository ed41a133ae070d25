"""The widgets: state -> arrays -> picture, in a thin shell of ipywidgets, one module each."""

from .channels import channel_look as channel_look
from .explorer import activation_explorer as activation_explorer
from .funnel import funnel_lab as funnel_lab
from .reach import receptive_field as receptive_field
from .scenes import segmentation_explorer as segmentation_explorer
from .shell import show_widget as show_widget

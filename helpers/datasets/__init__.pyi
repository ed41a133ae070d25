# The public names: for editors, for type checkers, and for the lazy loading in __init__.py.
from .cifar10 import Cifar10 as Cifar10, Images as Images, load_cifar10 as load_cifar10
from .download import DownloadError as DownloadError
from .prepared import DataError as DataError
from .sources import data_source as data_source
from .stanford import Scenes as Scenes, Stanford as Stanford, load_stanford as load_stanford

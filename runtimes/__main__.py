"""`python -m runtimes verify PHOTO...`"""

from gazeclip.cli import guard
from runtimes.cli import main

guard(main)

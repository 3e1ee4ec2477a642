"""The script that Streamlit runs for every drawing of the page; its arguments are the folders of runs."""

import sys

from earmark.reports.app import frame

frame.show(sys.argv[1:])

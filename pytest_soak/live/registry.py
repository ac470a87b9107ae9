from pytest_soak.live.writers.file import *
from pytest_soak.live.readers.file import *
import pytest_soak.live.writers.file as w, pytest_soak.live.readers.file as r
def writer_of(fields, context): return w.make(fields, context) if hasattr(w,'make') else w.ParameterFile(context.root/context.expand(fields.file), context)
def reader_of(fields, context, every_s): return r.ReportFile(context.root/context.expand(fields.file), every_s)

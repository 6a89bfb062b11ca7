"""The demo's story, apart from where it is played.

Reading order: ``script`` (what the shop says, as plain data), ``shop`` (says it over HTTP),
``books`` (what Segue wrote down), ``letters`` (what reached the inbox), ``verdict`` (whether it all
adds up). ``ops.demo`` plays the story on the local stack.
"""

"""A local stand-in for one Alibaba Cloud account: CloudFlow and MNS, driven by the vendor's SDKs.

There is no public emulator of either. Signatures are verified as the vendor does, and errors bear
the vendor's codes; state lives in memory. Start it by `python -m demo.alibaba --port 0`.
"""

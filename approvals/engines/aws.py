"""AWS, for the engine and the sources that speak to it: whose identity calls are made with."""

import boto3

from approvals.engines.base import EngineConfig


def session(config: EngineConfig) -> boto3.Session:
    """A session of its own (boto3's default one is not safe between threads), with the process'
    own identity."""
    return boto3.Session(region_name=config.region or None)

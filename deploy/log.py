"""Where do a container's lines go, and for how long?"""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct

from deploy.parameters import LOG_DAYS, Parameters


class Log(Construct):
    """App Runner makes its own, which never ends by itself: docs/deploy.md."""

    def __init__(self, scope: Construct, id: str, parameters: Parameters) -> None:
        super().__init__(scope, id)
        self.group = logs.LogGroup(
            self,
            "Group",
            retention=getattr(logs.RetentionDays, LOG_DAYS[parameters.log_days]),
            removal_policy=RemovalPolicy.RETAIN,
        )

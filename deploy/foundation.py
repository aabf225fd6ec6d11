"""What outlives every release: network, database and secrets, shared by both ways to serve."""

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from deploy.configuration import Configuration
from deploy.database import Database
from deploy.network import Network
from deploy.parameters import Parameters


class FoundationStack(Stack):
    def __init__(self, scope: Construct, id: str, parameters: Parameters) -> None:
        super().__init__(scope, id, termination_protection=True)
        self.network = Network(self, "Network")
        self.database = Database(self, "Database", self.network, parameters)
        self.configuration = Configuration(self, "Configuration", self.database, parameters)
        CfnOutput(self, "DatabaseInstance", value=self.database.instance.instance_identifier)
        CfnOutput(self, "DatabaseSecret", value=self.database.secret.secret_arn)

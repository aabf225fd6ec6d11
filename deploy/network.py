"""Who can reach whom? A VPC with three kinds of subnets, and the two security groups in it."""

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

POSTGRESQL = ec2.Port.tcp(5432)
HTTPS = ec2.Port.tcp(443)


class Network(Construct):
    """`server`: what wivmcp's containers may send. Everything they are sent comes through a
    balancer, so this has no ingress; the database takes connections from it alone.
    """

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            max_azs=2,
            # One fixed address that PropelAuth and Wiv see. It is also what every call upstream
            # goes through: App Runner's VPC connector sends all egress into the VPC.
            nat_gateways=1,
            # It would take a Lambda function to empty the default group, which nothing is in.
            restrict_default_security_group=False,
            subnet_configuration=[
                subnets("public", ec2.SubnetType.PUBLIC),
                subnets("server", ec2.SubnetType.PRIVATE_WITH_EGRESS),
                subnets("database", ec2.SubnetType.PRIVATE_ISOLATED),
            ],
        )
        self.server = self.security_group("Server", "wivmcp: https out, PostgreSQL, nothing in")
        self.database = self.security_group("Database", "PostgreSQL, for wivmcp alone")
        self.server.add_egress_rule(ec2.Peer.any_ipv4(), HTTPS, "PropelAuth, Wiv, documents, APIs")
        self.server.add_egress_rule(self.database, POSTGRESQL)
        self.database.add_ingress_rule(self.server, POSTGRESQL)

    def security_group(self, id: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            self, id, vpc=self.vpc, description=description, allow_all_outbound=False
        )

    @property
    def server_subnets(self) -> list[str]:
        """Private, with egress through NAT."""
        selected = self.vpc.select_subnets(subnet_group_name="server")
        return list(selected.subnet_ids)

    @property
    def public_subnets(self) -> list[str]:
        return list(self.vpc.select_subnets(subnet_group_name="public").subnet_ids)


def subnets(name: str, kind: ec2.SubnetType) -> ec2.SubnetConfiguration:
    return ec2.SubnetConfiguration(name=name, subnet_type=kind, cidr_mask=24)

"""Where is wivmcp's state? PostgreSQL on RDS: encrypted, backed up, reached by wivmcp alone."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds
from constructs import Construct

from deploy.network import Network
from deploy.parameters import Parameters

NAME = USER = "wivmcp"


class Database(Construct):
    """`secret`: made by RDS' own generator, a JSON object with `password`."""

    def __init__(self, scope: Construct, id: str, network: Network, parameters: Parameters) -> None:
        super().__init__(scope, id)
        engine = rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_17)
        self.instance = rds.DatabaseInstance(
            self,
            "PostgreSQL",
            engine=engine,
            instance_type=ec2.InstanceType(parameters.database_class),
            parameter_group=rds.ParameterGroup(
                self,
                "Parameters",
                engine=engine,
                parameters={
                    "max_connections": str(parameters.max_connections),
                    "rds.force_ssl": "1",
                },
            ),
            database_name=NAME,
            credentials=rds.Credentials.from_generated_secret(USER),
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name="database"),
            security_groups=[network.database],
            publicly_accessible=False,
            multi_az=parameters.database_multi_az,
            allocated_storage=parameters.database_storage_gib,
            # It grows by itself up to there; a full disk takes no writes.
            max_allocated_storage=10 * parameters.database_storage_gib,
            storage_type=rds.StorageType.GP3,
            storage_encrypted=True,
            backup_retention=Duration.days(parameters.backup_days),
            copy_tags_to_snapshot=True,
            delete_automated_backups=False,
            deletion_protection=True,
            removal_policy=RemovalPolicy.SNAPSHOT,
            auto_minor_version_upgrade=True,
            cloudwatch_logs_exports=["postgresql"],
        )
        assert self.instance.secret
        self.secret = self.instance.secret

    @property
    def url(self) -> str:
        """DATABASE_URL without the password: libpq takes that from PGPASSWORD.

        Encrypted, and not verified: RDS' own authority isn't among those the image trusts. The
        connection stays in the VPC's private subnets.
        """
        endpoint = self.instance.instance_endpoint
        return f"postgresql://{USER}@{endpoint.hostname}:5432/{NAME}?sslmode=require"

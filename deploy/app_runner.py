"""wivmcp on AWS App Runner, for accounts that have it (closed to new ones since 2026-04-30)."""

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_apprunner as apprunner
from aws_cdk import aws_iam as iam
from constructs import Construct

from deploy.configuration import PORT, Configuration
from deploy.foundation import FoundationStack
from deploy.image import Image
from deploy.parameters import Parameters

# Requests a copy has under way before App Runner adds one, SSE streams included; at most 200.
CONCURRENCY = 80


class AppRunnerStack(Stack):
    """AWS::AppRunner::Service as it is: its L2 is still experimental, and App Runner gets no new
    features it could learn.
    """

    def __init__(
        self, scope: Construct, id: str, foundation: FoundationStack, parameters: Parameters
    ) -> None:
        super().__init__(scope, id)
        image = Image(self, "Image", parameters)
        pulling = self.role("Pull", "build.apprunner.amazonaws.com")
        image.repository.grant_pull(pulling)
        # What the container is; App Runner reads the secrets in its name.
        instance = self.role("Instance", "tasks.apprunner.amazonaws.com")
        foundation.configuration.grant_read(instance)
        service = apprunner.CfnService(
            self,
            "Service",
            source_configuration=apprunner.CfnService.SourceConfigurationProperty(
                # A release deploys; a pushed image by itself doesn't, as nobody has migrated.
                auto_deployments_enabled=False,
                authentication_configuration=apprunner.CfnService.AuthenticationConfigurationProperty(
                    access_role_arn=pulling.role_arn
                ),
                image_repository=apprunner.CfnService.ImageRepositoryProperty(
                    image_identifier=image.uri,
                    image_repository_type="ECR",
                    image_configuration=image_configuration(foundation.configuration),
                ),
            ),
            instance_configuration=apprunner.CfnService.InstanceConfigurationProperty(
                cpu="1 vCPU", memory="2 GB", instance_role_arn=instance.role_arn
            ),
            auto_scaling_configuration_arn=self.scaling(parameters),
            # Not /readyz: App Runner replaces copies that fail, and with the database away that
            # would be all of them, those pages included that work without it.
            health_check_configuration=apprunner.CfnService.HealthCheckConfigurationProperty(
                protocol="HTTP",
                path="/healthz",
                interval=10,
                timeout=5,
                healthy_threshold=1,
                unhealthy_threshold=5,
            ),
            network_configuration=apprunner.CfnService.NetworkConfigurationProperty(
                egress_configuration=apprunner.CfnService.EgressConfigurationProperty(
                    egress_type="VPC", vpc_connector_arn=self.connector(foundation)
                ),
                ingress_configuration=apprunner.CfnService.IngressConfigurationProperty(
                    is_publicly_accessible=True
                ),
            ),
        )
        # It reads the secrets as soon as it is there.
        service.node.add_dependency(instance)
        CfnOutput(self, "ServiceArn", value=service.attr_service_arn)
        CfnOutput(self, "Domain", value=service.attr_service_url)

    def role(self, id: str, principal: str) -> iam.Role:
        return iam.Role(self, id, assumed_by=iam.ServicePrincipal(principal))

    def scaling(self, parameters: Parameters) -> str:
        configuration = apprunner.CfnAutoScalingConfiguration(
            self,
            "Scaling",
            max_concurrency=CONCURRENCY,
            min_size=parameters.copies_at_least,
            max_size=parameters.copies_at_most,
        )
        return configuration.attr_auto_scaling_configuration_arn

    def connector(self, foundation: FoundationStack) -> str:
        """All egress goes through it, so its subnets have NAT."""
        connector = apprunner.CfnVpcConnector(
            self,
            "Connector",
            subnets=foundation.network.server_subnets,
            security_groups=[foundation.network.server.security_group_id],
        )
        return connector.attr_vpc_connector_arn


def image_configuration(
    configuration: Configuration,
) -> apprunner.CfnService.ImageConfigurationProperty:
    # PORT is App Runner's to set, by `port`.
    plain = {name: value for name, value in configuration.plain.items() if name != "PORT"}
    secrets = {name: each.value_from for name, each in configuration.secrets.items()}
    return apprunner.CfnService.ImageConfigurationProperty(
        port=str(PORT),
        runtime_environment_variables=pairs(plain),
        runtime_environment_secrets=pairs(secrets),
    )


def pairs(values: dict[str, str]) -> list[apprunner.CfnService.KeyValuePairProperty]:
    return [
        apprunner.CfnService.KeyValuePairProperty(name=name, value=value)
        for name, value in values.items()
    ]

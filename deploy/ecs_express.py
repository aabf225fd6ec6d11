"""wivmcp on Amazon ECS Express Mode, AWS' successor to App Runner for accounts without that."""

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from deploy.configuration import PORT, Configuration
from deploy.foundation import FoundationStack
from deploy.image import Image
from deploy.log import Log
from deploy.parameters import Parameters

# Percent of a copy's CPU above which another is added.
CPU_TARGET = 60
# Its load balancer minds silence (60 s; streams are pinged every 15) and no total time.
SSE_STREAM_LIFETIME = "3600"


class EcsExpressStack(Stack):
    """Express Mode makes the balancer, its certificate, both security groups and the scaling.

    The balancer is public only in public subnets, and Express Mode has one list for it and the
    containers. So these have public addresses; what they are sent still comes from the balancer
    alone, and what they send doesn't go through NAT.
    """

    def __init__(
        self, scope: Construct, id: str, foundation: FoundationStack, parameters: Parameters
    ) -> None:
        super().__init__(scope, id)
        image = Image(self, "Image", parameters)
        log = Log(self, "Log", parameters).group
        execution = self.role("Execution", "ecs-tasks.amazonaws.com")
        image.repository.grant_pull(execution)
        log.grant_write(execution)
        foundation.configuration.grant_read(execution)
        service = ecs.CfnExpressGatewayService(
            self,
            "Service",
            execution_role_arn=execution.role_arn,
            infrastructure_role_arn=self.infrastructure_role().role_arn,
            # What the container is: nobody, it has no permission.
            task_role_arn=self.role("Task", "ecs-tasks.amazonaws.com").role_arn,
            cpu="1024",
            memory="2048",
            # Not /readyz: ECS replaces copies that fail, see deploy/app_runner.py.
            health_check_path="/healthz",
            primary_container=container(image, foundation.configuration, log),
            network_configuration=(
                ecs.CfnExpressGatewayService.ExpressGatewayServiceNetworkConfigurationProperty(
                    subnets=foundation.network.public_subnets,
                    security_groups=[self.security_group(foundation).security_group_id],
                )
            ),
            scaling_target=ecs.CfnExpressGatewayService.ExpressGatewayScalingTargetProperty(
                auto_scaling_metric="AVERAGE_CPU",
                auto_scaling_target_value=CPU_TARGET,
                min_task_count=parameters.copies_at_least,
                max_task_count=parameters.copies_at_most,
            ),
        )
        service.node.add_dependency(execution)
        CfnOutput(self, "ServiceArn", value=service.attr_service_arn)
        CfnOutput(self, "Domain", value=service.attr_endpoint)
        # For a domain of one's own, which Express Mode leaves to its user: docs/deploy.md.
        path = "attr_ecs_managed_resource_arns_ingress_path"
        for name in ("load_balancer_arn", "listener_arn", "listener_rule_arn"):
            title = name.removesuffix("_arn").title().replace("_", "")
            CfnOutput(self, title, value=getattr(service, f"{path}_{name}"))

    def role(self, id: str, principal: str) -> iam.Role:
        return iam.Role(self, id, assumed_by=iam.ServicePrincipal(principal))

    def infrastructure_role(self) -> iam.Role:
        """In whose name ECS makes the balancer and the rest; AWS' own policy for it."""
        role = self.role("Infrastructure", "ecs.amazonaws.com")
        name = "service-role/AmazonECSInfrastructureRoleforExpressGatewayServices"
        role.add_managed_policy(iam.ManagedPolicy.from_aws_managed_policy_name(name))
        return role

    def security_group(self, foundation: FoundationStack) -> ec2.ISecurityGroup:
        """The foundation's, with a way in from within the VPC, where the balancer is."""
        group, vpc = foundation.network.server, foundation.network.vpc
        ec2.CfnSecurityGroupIngress(
            self,
            "FromBalancer",
            group_id=group.security_group_id,
            ip_protocol="tcp",
            from_port=PORT,
            to_port=PORT,
            cidr_ip=vpc.vpc_cidr_block,
            description="Express Mode's load balancer",
        )
        return group


def container(
    image: Image, configuration: Configuration, log: logs.ILogGroup
) -> ecs.CfnExpressGatewayService.ExpressGatewayContainerProperty:
    plain = {"SSE_STREAM_LIFETIME": SSE_STREAM_LIFETIME} | configuration.plain
    return ecs.CfnExpressGatewayService.ExpressGatewayContainerProperty(
        image=image.uri,
        container_port=PORT,
        environment=[
            ecs.CfnExpressGatewayService.KeyValuePairProperty(name=name, value=value)
            for name, value in plain.items()
        ],
        secrets=[
            ecs.CfnExpressGatewayService.SecretProperty(name=name, value_from=each.value_from)
            for name, each in configuration.secrets.items()
        ],
        aws_logs_configuration=(
            ecs.CfnExpressGatewayService.ExpressGatewayServiceAwsLogsConfigurationProperty(
                log_group=log.log_group_name, log_stream_prefix="wivmcp"
            )
        ),
    )

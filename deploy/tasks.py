"""What runs beside the service, and ends: the release step, commands, and due work by the clock.

App Runner has no one-off tasks, so these are ECS' in both cases. A stack of its own, since its new
image migrates before the service gets it.
"""

from aws_cdk import CfnOutput, Duration, Fn, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from deploy.configuration import Reference
from deploy.foundation import FoundationStack
from deploy.image import Image
from deploy.log import Log
from deploy.parameters import Parameters

CONTAINER = "wivmcp"
# docs/operations.md, Due work: every few minutes.
DUE_WORK_INTERVAL = Duration.minutes(10)


class TasksStack(Stack):
    def __init__(
        self, scope: Construct, id: str, foundation: FoundationStack, parameters: Parameters
    ) -> None:
        super().__init__(scope, id)
        self.foundation = foundation
        self.parameters = parameters
        # By the stack's name, so that deploy/registry.py can name what a release may run.
        self.cluster = ecs.Cluster(self, "Cluster", cluster_name=id, vpc=foundation.network.vpc)
        self.log = Log(self, "Log", parameters).group
        self.definition = self.task_definition(id)
        self.subnets = ec2.SubnetSelection(subnet_group_name="server")
        self.schedule_due_work()
        self.tell_script_run_task()

    def task_definition(self, family: str) -> ecs.FargateTaskDefinition:
        """Its task role has no permission; the execution role reads the secrets."""
        definition = ecs.FargateTaskDefinition(
            self,
            "Task",
            family=family,
            cpu=512,
            memory_limit_mib=1024,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.X86_64,
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
        )
        configuration = self.foundation.configuration
        secrets = configuration.secrets | {"DJANGO_SUPERUSER_PASSWORD": configuration.first_admin}
        definition.add_container(
            CONTAINER,
            container_name=CONTAINER,
            image=Image(self, "Image", self.parameters).container,
            command=["script/release"],
            environment=configuration.plain,
            secrets={name: ecs_secret(each) for name, each in secrets.items()},
            readonly_root_filesystem=True,
            logging=ecs.LogDrivers.aws_logs(stream_prefix="task", log_group=self.log),
        )
        return definition

    def schedule_due_work(self) -> None:
        events.Rule(
            self,
            "DueWork",
            schedule=events.Schedule.rate(DUE_WORK_INTERVAL),
            targets=[
                targets.EcsTask(
                    cluster=self.cluster,
                    task_definition=self.definition,
                    container_overrides=[
                        targets.ContainerOverride(
                            container_name=CONTAINER, command=["python", "manage.py", "run_due"]
                        )
                    ],
                    subnet_selection=self.subnets,
                    security_groups=[self.foundation.network.server],
                    assign_public_ip=False,
                )
            ],
        )

    def tell_script_run_task(self) -> None:
        subnets = Fn.join(",", self.foundation.network.server_subnets)
        group = self.foundation.network.server.security_group_id
        network = f"awsvpcConfiguration={{subnets=[{subnets}],securityGroups=[{group}]}}"
        CfnOutput(self, "Network", value=network)
        CfnOutput(self, "LogGroup", value=self.log.log_group_name)
        CfnOutput(self, "TaskDefinition", value=self.definition.task_definition_arn)


def ecs_secret(reference: Reference) -> ecs.Secret:
    return ecs.Secret.from_secrets_manager(reference.secret, reference.key or None)

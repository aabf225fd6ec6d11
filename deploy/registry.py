"""Where are released images, and who may release? Once an account, before the first release."""

from aws_cdk import Aws, CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from constructs import Construct

from deploy.parameters import Parameters

REPOSITORY = "wivmcp"
# GitHub's, with the reviewers that its settings name; .github/workflows/deploy.yml runs in it.
GITHUB_ENVIRONMENT = "production"
TOKENS = "token.actions.githubusercontent.com"


class RegistryStack(Stack):
    def __init__(self, scope: Construct, id: str, parameters: Parameters, tasks: str) -> None:
        """`tasks`: the name of the stack whose tasks a release runs."""
        super().__init__(scope, id)
        self.repository = ecr.Repository(
            self,
            "Images",
            repository_name=REPOSITORY,
            # A tag means one image for ever, so a roll-back gets what was tested.
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            image_scan_on_push=True,
            removal_policy=RemovalPolicy.RETAIN,
            lifecycle_rules=[ecr.LifecycleRule(max_image_count=30)],
        )
        CfnOutput(self, "RepositoryUri", value=self.repository.repository_uri)
        if parameters.github_repository:
            role = self.release_role(parameters.github_repository)
            self.allow_release(role, tasks)
            CfnOutput(self, "ReleaseRole", value=role.role_arn)

    def release_role(self, github_repository: str) -> iam.Role:
        """For runs in one environment of one repository; there is no key to lose."""
        provider = iam.OidcProviderNative(
            self, "GitHub", url=f"https://{TOKENS}", client_ids=["sts.amazonaws.com"]
        )
        subject = f"repo:{github_repository}:environment:{GITHUB_ENVIRONMENT}"
        claims = {f"{TOKENS}:aud": "sts.amazonaws.com", f"{TOKENS}:sub": subject}
        principal = iam.FederatedPrincipal(
            provider.oidc_provider_arn,
            {"StringEquals": claims},
            "sts:AssumeRoleWithWebIdentity",
        )
        return iam.Role(self, "Release", assumed_by=principal)

    def allow_release(self, role: iam.Role, tasks: str) -> None:
        self.repository.grant_pull_push(role)
        self.repository.grant(role, "ecr:DescribeRepositories")
        account = f"{Aws.REGION}:{Aws.ACCOUNT_ID}"
        # How `cdk bootstrap` names its roles: cdk-QUALIFIER-...-role-ACCOUNT-REGION.
        roles = f"arn:aws:iam::{Aws.ACCOUNT_ID}:role"
        allow(role, f"{roles}/cdk-*-{Aws.ACCOUNT_ID}-{Aws.REGION}", "sts:AssumeRole")
        stack = f"arn:aws:cloudformation:{account}:stack/{tasks}/*"
        allow(role, stack, "cloudformation:DescribeStacks")
        allow(role, f"arn:aws:ecs:{account}:task-definition/{tasks}:*", "ecs:RunTask")
        allow(role, f"arn:aws:ecs:{account}:task/{tasks}/*", "ecs:DescribeTasks")
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[f"{roles}/{tasks}-*"],
                conditions={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
            )
        )


def allow(role: iam.Role, resource: str, action: str) -> None:
    role.add_to_policy(iam.PolicyStatement(actions=[action], resources=[resource]))

"""All stacks from one set of parameters: what `script/deploy` gives to the CDK.

One of the two services is deployed, by its name; an account may move from one to the other.
"""

import sys

from aws_cdk import App

from deploy import parameters
from deploy.app_runner import AppRunnerStack
from deploy.ecs_express import EcsExpressStack
from deploy.foundation import FoundationStack
from deploy.parameters import ParameterError, Parameters
from deploy.registry import RegistryStack
from deploy.tasks import TasksStack

TASKS = "wivmcp-tasks"


def build(app: App, parameters: Parameters) -> None:
    """No account and no region: whoever deploys is in one."""
    RegistryStack(app, "wivmcp-registry", parameters, tasks=TASKS)
    foundation = FoundationStack(app, "wivmcp-foundation", parameters)
    TasksStack(app, TASKS, foundation, parameters)
    AppRunnerStack(app, "wivmcp-app-runner", foundation, parameters)
    EcsExpressStack(app, "wivmcp-ecs-express", foundation, parameters)


def main() -> None:
    app = App()
    try:
        build(app, parameters.read(image_tag=app.node.try_get_context("image_tag") or ""))
    except ParameterError as error:
        sys.exit(f"deploy: {error}")
    app.synth()


if __name__ == "__main__":
    main()

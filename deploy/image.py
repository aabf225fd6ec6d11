"""Which image runs? A released one by its tag, else one that is built from this checkout."""

from pathlib import Path

from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecr_assets as assets
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from deploy.parameters import Parameters
from deploy.registry import REPOSITORY

CHECKOUT = Path(__file__).resolve().parent.parent


class Image(Construct):
    """`uri` with its tag, in `repository`. Neither needs Docker before `cdk deploy` does."""

    def __init__(self, scope: Construct, id: str, parameters: Parameters) -> None:
        super().__init__(scope, id)
        self.repository: ecr.IRepository
        self.container: ecs.ContainerImage
        if tag := parameters.image_tag:
            self.repository = ecr.Repository.from_repository_name(self, "Released", REPOSITORY)
            self.uri = self.repository.repository_uri_for_tag(tag)
            self.container = ecs.ContainerImage.from_ecr_repository(self.repository, tag)
        else:
            # .dockerignore decides what is hashed, so a changed test deploys nothing.
            asset = assets.DockerImageAsset(
                self, "Built", directory=str(CHECKOUT), platform=assets.Platform.LINUX_AMD64
            )
            self.repository, self.uri = asset.repository, asset.image_uri
            self.container = ecs.ContainerImage.from_docker_image_asset(asset)

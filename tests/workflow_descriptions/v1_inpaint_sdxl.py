"""V1 inpaint for SDXL."""

from workflow_descriptions.v1_inpaint import workflow
from workflow_families import SDXL

WORKFLOW = workflow(SDXL)

"""V3 swap and img2img for SDXL."""

from workflow_descriptions.v3_swap_img2img import workflow
from workflow_families import SDXL

WORKFLOW = workflow(SDXL)

"""V2 inpaint and img2img for SDXL."""

from workflow_descriptions.v2_inpaint_img2img import workflow
from workflow_families import SDXL

WORKFLOW = workflow(SDXL)

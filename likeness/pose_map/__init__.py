"""The control picture of OpenPose, drawn from what is known of people in a picture."""

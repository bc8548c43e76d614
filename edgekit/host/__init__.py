"""The workstation side: builds, signs, provisions, deploys."""

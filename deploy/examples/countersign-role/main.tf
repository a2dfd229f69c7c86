# The role that Countersign takes in the account of the state machines. Task tokens work only for
# identities of that account: apply this in each, and make one connection in Countersign for each.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "countersign_principal_arn" {
  type        = string
  description = "The ARN of the role or user that Countersign runs with, in this or another account."
}

variable "external_id" {
  type        = string
  sensitive   = true
  description = "A text of your own, the same as at the connection in Countersign."
}

variable "state_machine_name" {
  type        = string
  description = "The name of the state machine, or a pattern such as refunds-*."
}

variable "queue_arn" {
  type        = string
  default     = ""
  description = "The queue that Countersign reads. Blank where messages come another way."
}

variable "queue_key_arn" {
  type        = string
  default     = ""
  description = "The KMS key of the queue, if it has one of your own."
}

variable "topic_arn" {
  type        = string
  default     = ""
  description = "The SNS topic that Countersign subscribes to by HTTPS. Blank if there is none."
}

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

locals {
  states = "arn:${data.aws_partition.current.partition}:states:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = [var.countersign_principal_arn]
    }
    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = [var.external_id]
    }
  }
}

data "aws_iam_policy_document" "countersign" {
  statement {
    sid       = "AnswerWaitingSteps"
    actions   = ["states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"]
    resources = ["${local.states}:stateMachine:${var.state_machine_name}"]
  }

  # Optional: without it an answer that got lost can't be looked up.
  statement {
    sid       = "LookUpLostAnswers"
    actions   = ["states:DescribeExecution", "states:GetExecutionHistory"]
    resources = ["${local.states}:execution:${var.state_machine_name}:*"]
  }

  # Optional: without it messages have to say a state's times themselves.
  statement {
    sid       = "ReadTimesFromDefinitions"
    actions   = ["states:DescribeStateMachineForExecution"]
    resources = ["${local.states}:execution:${var.state_machine_name}:*"]
  }

  dynamic "statement" {
    for_each = var.queue_arn == "" ? [] : [var.queue_arn]
    content {
      sid       = "ReadTheQueue"
      actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.queue_key_arn == "" ? [] : [var.queue_key_arn]
    content {
      sid       = "OpenTheQueue"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.topic_arn == "" ? [] : [var.topic_arn]
    content {
      sid       = "ConfirmTheSubscription"
      actions   = ["sns:ConfirmSubscription", "sns:ListSubscriptionsByTopic"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role" "countersign" {
  name_prefix        = "countersign-"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "countersign" {
  name_prefix = "countersign-"
  role        = aws_iam_role.countersign.id
  policy      = data.aws_iam_policy_document.countersign.json
}

output "role_arn" {
  value       = aws_iam_role.countersign.arn
  description = "The role to assume, at the connection in Countersign."
}

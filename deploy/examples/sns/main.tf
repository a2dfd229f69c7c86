# A topic for approvals with Countersign as a subscriber, by HTTPS or through a queue.
# By HTTPS: make the source in Countersign first (it confirms the subscription by itself), with the
# ARN that the topic is going to have, and ../countersign-role/ with topic_arn.
# Through a queue: leave countersign_url blank, and give ../countersign-role/ the queue.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "gate" {
  type        = string
  default     = "refunds"
  description = "The slug of the gate in Countersign."
}

variable "name" {
  type        = string
  description = "What the state machine and what belongs to it are called."
}

data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "states_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["states.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "state_machine" {
  name_prefix        = "${var.name}-"
  assume_role_policy = data.aws_iam_policy_document.states_trust.json
}

variable "countersign_url" {
  type        = string
  default     = ""
  description = "The address of the source in Countersign. Blank to deliver to a queue instead."
}

locals {
  by_queue = var.countersign_url == ""
}

resource "aws_sns_topic" "approvals" {
  name              = "${var.name}-approvals"
  signature_version = 2 # SHA256; 1 is understood as well
}

resource "aws_sqs_queue" "undelivered" {
  name                      = "${var.name}-approvals-undelivered"
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 1209600
}

resource "aws_sns_topic_subscription" "https" {
  count     = local.by_queue ? 0 : 1
  topic_arn = aws_sns_topic.approvals.arn
  protocol  = "https"
  endpoint  = var.countersign_url
  # Countersign confirms by the API as soon as it is asked.
  endpoint_auto_confirms          = true
  confirmation_timeout_in_minutes = 5
  # Not raw: raw messages carry no signature.
  raw_message_delivery = false
  delivery_policy = jsonencode({
    healthyRetryPolicy = {
      # Within the hour that SNS grants at most.
      minDelayTarget     = 20
      maxDelayTarget     = 300
      numRetries         = 12
      numMaxDelayRetries = 8
      backoffFunction    = "linear"
    }
  })
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.undelivered.arn
  })
}

resource "aws_sqs_queue" "approvals" {
  count                      = local.by_queue ? 1 : 0
  name                       = "${var.name}-approvals"
  sqs_managed_sse_enabled    = true
  visibility_timeout_seconds = 30
  message_retention_seconds  = 345600
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.undelivered.arn
    maxReceiveCount     = 100
  })
}

resource "aws_sns_topic_subscription" "queue" {
  count                = local.by_queue ? 1 : 0
  topic_arn            = aws_sns_topic.approvals.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.approvals[0].arn
  raw_message_delivery = true # the envelope is understood as well
}

data "aws_iam_policy_document" "from_the_topic" {
  for_each = merge(
    { undelivered = aws_sqs_queue.undelivered.arn },
    { for queue in aws_sqs_queue.approvals : "approvals" => queue.arn },
  )
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [each.value]
    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_sns_topic.approvals.arn]
    }
  }
}

resource "aws_sqs_queue_policy" "undelivered" {
  queue_url = aws_sqs_queue.undelivered.url
  policy    = data.aws_iam_policy_document.from_the_topic["undelivered"].json
}

resource "aws_sqs_queue_policy" "approvals" {
  count     = local.by_queue ? 1 : 0
  queue_url = aws_sqs_queue.approvals[0].url
  policy    = data.aws_iam_policy_document.from_the_topic["approvals"].json
}

data "aws_iam_policy_document" "publish" {
  statement {
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.approvals.arn]
  }
}

resource "aws_iam_role_policy" "publish" {
  name_prefix = "publish-to-the-topic-"
  role        = aws_iam_role.state_machine.id
  policy      = data.aws_iam_policy_document.publish.json
}

resource "aws_sfn_state_machine" "approve" {
  name     = var.name
  role_arn = aws_iam_role.state_machine.arn
  definition = templatefile("${path.module}/approve-refund.asl.json", {
    TopicArn = aws_sns_topic.approvals.arn
    Gate     = var.gate
  })
}

output "topic_arn" {
  value       = aws_sns_topic.approvals.arn
  description = "For the topics of the source in Countersign, and topic_arn of ../countersign-role/."
}

output "queue_url" {
  value       = one(aws_sqs_queue.approvals[*].url)
  description = "The queue address of the source in Countersign."
}

output "state_machine_arn" {
  value = aws_sfn_state_machine.approve.arn
}

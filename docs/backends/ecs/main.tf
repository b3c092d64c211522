# What the backend ecs of sockerless needs in an account: a cluster, a repository, a security group, the role that tasks are started
# by, and the policy of the server. VPC and subnets are yours.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.0" }
  }
}

variable "name" {
  description = "Of all that is made."
  type        = string
  default     = "sockerless"
}

variable "vpc_id" {
  description = "VPC of the tasks."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the tasks; they lead to the server's agents.url and to ECR."
  type        = list(string)
}

variable "public_ip" {
  description = "Whether tasks get a public address: where the subnets lead out by an internet gateway only."
  type        = bool
  default     = false
}

data "aws_region" "this" {}

resource "aws_ecs_cluster" "this" {
  name = var.name
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

resource "aws_ecr_repository" "this" {
  name         = var.name
  force_delete = true # prepared images can be made again
}

resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name
  policy = jsonencode({ rules = [{
    rulePriority = 1
    description  = "The newest prepared images stay."
    selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 1000 }
    action       = { type = "expire" }
  }] })
}

resource "aws_security_group" "this" {
  name        = var.name
  description = "Tasks of sockerless: they connect, nothing connects to them."
  vpc_id      = var.vpc_id

  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_iam_role" "execution" {
  name = "${var.name}-execution"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "ecs-tasks.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

# To be attached to the role or the user that the server runs as.
resource "aws_iam_policy" "server" {
  name = "${var.name}-server"
  policy = templatefile("${path.module}/policy.json", {
    repository     = aws_ecr_repository.this.arn
    execution_role = aws_iam_role.execution.arn
  })
}

output "policy_arn" {
  description = "The policy of the server."
  value       = aws_iam_policy.server.arn
}

output "backend" {
  description = "The backend, for offload.backends in the server's configuration."
  value = yamlencode({ fargate = {
    type            = "ecs"
    region          = data.aws_region.this.name
    cluster         = aws_ecs_cluster.this.name
    subnets         = var.subnet_ids
    security-groups = [aws_security_group.this.id]
    public-ip       = var.public_ip
    execution-role  = aws_iam_role.execution.arn
    repository      = aws_ecr_repository.this.name
  } })
}

variable "public_url" {
  description = "The address in the browser, as public_url in rolegate.toml has it; no path, and no slash at its end."
  type        = string
  validation {
    condition     = can(regex("^https://[a-z0-9.-]+(:[0-9]+)?$", var.public_url))
    error_message = "https://, a name in lower case, and a port if it has one."
  }
}

variable "domain_prefix" {
  description = "The sign-in page is at https://PREFIX.auth.REGION.amazoncognito.com; nobody else in the region may have it."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$", var.domain_prefix)) && !can(regex("aws|amazon|cognito", var.domain_prefix))
    error_message = "Small letters, digits and hyphens; not with aws, amazon or cognito in it."
  }
}

variable "name" {
  description = "What the pool and the trigger are called."
  type        = string
  default     = "rolegate"
  validation {
    # The role's name has this and "-roles-" in front; Terraform takes 38 characters there and adds 26.
    condition     = can(regex("^[A-Za-z0-9-]{1,24}$", var.name))
    error_message = "Up to 24 letters, digits and hyphens."
  }
}

variable "upstream" {
  description = "Where the application is; goes into the output rolegate_toml alone."
  type        = string
  default     = "http://127.0.0.1:8080"
}

variable "self_sign_up" {
  description = "Whether anybody may make an account. It is in no group, and so has no role, until somebody gives it one."
  type        = bool
  default     = false
}

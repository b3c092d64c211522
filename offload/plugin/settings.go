package plugin

// ECS is what a backend of type ecs can be told in the policy.
type ECS struct {
	Region         string   `yaml:"region"`
	Profile        string   `yaml:"profile"`         // of the SDK's files; "" is as the SDK finds its credentials
	Endpoint       string   `yaml:"endpoint"`        // of all services, "" is AWS: http://127.0.0.1:4566
	Cluster        string   `yaml:"cluster"`         // "" is default
	Subnets        []string `yaml:"subnets"`         // of tasks
	SecurityGroups []string `yaml:"security-groups"` // of tasks
	PublicIP       bool     `yaml:"public-ip"`       // tasks get a public address, where their subnets lead out by a gateway only
	ExecutionRole  string   `yaml:"execution-role"`  // by which ECS pulls images and writes logs
	TaskRole       string   `yaml:"task-role"`       // which tasks have; "" is none
	Repository     string   `yaml:"repository"`      // in ECR, for prepared images; it is made if it is missing
	LogGroup       string   `yaml:"log-group"`       // in CloudWatch Logs, for what agents say when they end; "" is none
	Spot           bool     `yaml:"spot"`            // tasks may be taken away, for a third of the price
}

// Lambda is what a backend of type lambda can be told in the policy.
type Lambda struct {
	Region         string   `yaml:"region"`
	Profile        string   `yaml:"profile"`         // of the SDK's files; "" is as the SDK finds its credentials
	Endpoint       string   `yaml:"endpoint"`        // of all services, "" is AWS: http://127.0.0.1:4566
	Role           string   `yaml:"role"`            // of functions: what they may do, at least to write their log
	Subnets        []string `yaml:"subnets"`         // of functions; none is Lambda's own network, which leads out
	SecurityGroups []string `yaml:"security-groups"` // of functions, where they have subnets
	Repository     string   `yaml:"repository"`      // in ECR, for prepared images; it is made if it is missing
	LogGroup       string   `yaml:"log-group"`       // in CloudWatch Logs; "" is /aws/lambda/sockerless
	Timeout        int      `yaml:"timeout"`         // seconds after which Lambda ends a task; 0 is the most, 900
	Keep           int      `yaml:"keep"`            // days after which a function that nobody uses is deleted; 0 is 7
}

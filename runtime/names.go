package runtime

import "math/rand/v2"

// randomName is a name like patient_hopper, of an adjective and somebody who built the machines we stand on.
func randomName() string {
	return adjectives[rand.IntN(len(adjectives))] + "_" + surnames[rand.IntN(len(surnames))]
}

var adjectives = [...]string{
	"able", "agile", "amber", "ample", "apt", "autumn", "awake", "balanced", "basic", "bold", "brave", "breezy", "bright", "brisk",
	"broad", "bronze", "calm", "candid", "careful", "cheerful", "civil", "clear", "clever", "cobalt", "compact", "cool", "copper",
	"cosmic", "crisp", "curious", "daring", "deep", "deft", "direct", "distant", "driven", "eager", "early", "earnest", "easy",
	"elastic", "even", "exact", "fair", "famous", "fast", "fine", "firm", "fluent", "focused", "frank", "free", "fresh", "friendly",
	"frosty", "gentle", "glad", "golden", "graceful", "grand", "green", "handy", "happy", "hardy", "honest", "humble", "idle",
	"indigo", "ivory", "jolly", "joyful", "keen", "kind", "known", "large", "late", "light", "lively", "loyal", "lucid", "lucky",
	"lunar", "major", "mellow", "merry", "mild", "modest", "neat", "nimble", "noble", "normal", "olive", "open", "orderly", "patient",
	"plain", "polite", "prime", "proud", "pure", "quick", "quiet", "rapid", "rare", "ready", "regular", "robust", "rosy", "round",
	"rustic", "serene", "sharp", "silent", "silver", "simple", "sincere", "smart", "smooth", "sober", "solar", "solid", "spare",
	"stable", "steady", "still", "stout", "sturdy", "subtle", "sunny", "swift", "tall", "tender", "tidy", "timely", "tranquil",
	"true", "trusty", "upbeat", "useful", "valid", "vast", "vivid", "warm", "wide", "wise", "witty", "young", "zesty",
}

var surnames = [...]string{
	"aiken", "allen", "amdahl", "appel", "atanasoff", "babbage", "backus", "bartik", "berners", "blackwell", "boole", "booth",
	"borg", "brooks", "bush", "cerf", "chomsky", "church", "clarke", "cocke", "codd", "conway", "cook", "cray", "curry", "dahl",
	"daubechies", "davies", "dijkstra", "eckert", "engelbart", "erdos", "estrin", "euler", "feinler", "flowers", "floyd", "forsythe",
	"gauss", "godel", "goldberg", "goldwasser", "gosper", "gray", "hamilton", "hamming", "hartmanis", "hellman", "hennessy",
	"hilbert", "hoare", "holberton", "hollerith", "hopcroft", "hopper", "huffman", "ichbiah", "iverson", "jacquard", "jennings",
	"jones", "kahan", "kahn", "karp", "kay", "keller", "kemeny", "kilburn", "kleene", "kleinrock", "knuth", "kurtz", "lamport",
	"lampson", "landin", "lebedev", "lehmer", "leibniz", "levin", "licklider", "liskov", "lovelace", "mauchly", "mccarthy",
	"mcnulty", "meltzer", "merkle", "metcalfe", "milner", "minsky", "moore", "napier", "naur", "neumann", "newell", "noether",
	"nygaard", "papert", "pascal", "patterson", "perlis", "perlman", "pnueli", "post", "pratt", "rabin", "randell", "reynolds",
	"ritchie", "rivest", "sammet", "scott", "shamir", "shannon", "shaw", "sifakis", "simon", "snyder", "sobel", "spence", "steele",
	"stibitz", "strachey", "sutherland", "tarjan", "teitelbaum", "thompson", "torres", "turing", "ullman", "vyssotsky", "wigderson",
	"wijngaarden", "wilkes", "wilkinson", "wing", "wirth", "yao", "zemanek", "zuse",
}

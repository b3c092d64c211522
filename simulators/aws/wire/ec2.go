package wire

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ec2Query is the protocol of EC2: forms with other names than the SDK's fields, and answers with others again.
type ec2Query struct{}

// EC2 is the protocol of EC2.
func EC2() Protocol { return ec2Query{} }

const ec2Namespace = "http://ec2.amazonaws.com/doc/2016-11-15/"

var ec2Spelling = spelling{in: ec2In, out: ec2Out, item: "item"}

// ec2Inputs are the names of members in forms that are neither the field's nor its singular.
var ec2Inputs = map[string]string{
	"Description": "GroupDescription", "Groups": "SecurityGroupId", "Resources": "ResourceId", "UserIdGroupPairs": "Groups",
}

func ec2In(f reflect.StructField) []string {
	names := []string{f.Name}
	if f.Type.Kind() == reflect.Slice {
		names = append(names, singular(f.Name))
	}
	if other, ok := ec2Inputs[f.Name]; ok {
		names = append(names, other)
	}
	return names
}

// singular is the name of one of many: "Addresses" → "Address".
func singular(name string) string {
	for _, ending := range [][2]string{{"ies", "y"}, {"sses", "ss"}, {"xes", "x"}, {"s", ""}} {
		if stem, ok := strings.CutSuffix(name, ending[0]); ok {
			return stem + ending[1]
		}
	}
	return name
}

// ec2Outputs are the names of elements that are not made by the rule of ec2Out.
var ec2Outputs = map[string]string{
	"AvailabilityZone.State": "zoneState", "NetworkAcl.IsDefault": "default", "Region.Endpoint": "regionEndpoint", "SecurityGroup.Description": "groupDescription",
	"DescribeAvailabilityZonesOutput.AvailabilityZones": "availabilityZoneInfo", "DescribeRegionsOutput.Regions": "regionInfo",
	"DescribeSecurityGroupsOutput.SecurityGroups": "securityGroupInfo", "DescribeAddressesOutput.Addresses": "addressesSet",
	"NetworkInterface.Ipv6Addresses": "ipv6AddressesSet", "NetworkInterface.PrivateIpAddresses": "privateIpAddressesSet",
	"IpPermission.UserIdGroupPairs": "groups", "IpPermission.IpRanges": "ipRanges", "IpPermission.Ipv6Ranges": "ipv6Ranges", "IpPermission.PrefixListIds": "prefixListIds",
	"SecurityGroup.IpPermissions": "ipPermissions", "SecurityGroup.IpPermissionsEgress": "ipPermissionsEgress",
}

// ec2Out is "vpcId" of VpcId, and "vpcSet" of a list Vpcs.
func ec2Out(owner reflect.Type, f reflect.StructField) string {
	if name, ok := ec2Outputs[owner.Name()+"."+f.Name]; ok {
		return name
	}
	first, size := utf8.DecodeRuneInString(f.Name)
	name := string(unicode.ToLower(first)) + f.Name[size:]
	if f.Type.Kind() == reflect.Slice && !strings.HasSuffix(name, "Set") {
		name = singular(name) + "Set"
	}
	return name
}

func (ec2Query) Name(c *Call) string { return form(c).Get("Action") }

func (ec2Query) Decode(c *Call, in any) error {
	values := form(c)
	if err := ec2Spelling.decode(values, "", reflect.ValueOf(in).Elem()); err != nil {
		return err
	}
	if values.Get("DryRun") == "true" {
		return &Error{Status: http.StatusPreconditionFailed, Code: "DryRunOperation", Message: "Request would have succeeded, but DryRun flag is set."}
	}
	return nil
}

// Encode writes <XResponse><requestId/>…</XResponse>.
func (ec2Query) Encode(w http.ResponseWriter, c *Call, out any) error {
	var b strings.Builder
	e := xml.NewEncoder(&b)
	response := xml.StartElement{Name: xml.Name{Local: c.Operation + "Response"}, Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: ec2Namespace}}}
	err := element(e, response, func() error {
		if err := e.EncodeElement(requestID, start("requestId")); err != nil {
			return err
		}
		return ec2Spelling.fields(e, reflect.ValueOf(out).Elem())
	})
	if err != nil {
		return err
	}
	if err := e.Flush(); err != nil {
		return err
	}
	return writeXML(w, http.StatusOK, b.String())
}

func (p ec2Query) Unknown(c *Call) *Error {
	return &Error{Code: "InvalidAction", Message: fmt.Sprintf("The action %s is not valid for this web service.", p.Name(c))}
}

// ec2Failure is an error's answer.
type ec2Failure struct {
	XMLName xml.Name `xml:"Response"`
	Code    string   `xml:"Errors>Error>Code"`
	Message string   `xml:"Errors>Error>Message"`
	Request string   `xml:"RequestID"`
}

func (ec2Query) Fail(w http.ResponseWriter, _ *Call, err *Error) {
	text, _ := xml.Marshal(ec2Failure{Code: err.Code, Message: err.Message, Request: requestID}) // of strings
	_ = writeXML(w, err.status(), string(text))                                                  // the client is gone
}

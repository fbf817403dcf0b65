// Before tokens are made: the roles that an administrator wrote into custom:roles join the person's groups, in both
// tokens. Only what is a group of this pool counts, so that a word in an attribute is never a role by itself.
const known = new Set((process.env.ROLES ?? "").split(",").filter(Boolean));

exports.handler = async (event) => {
  const groups = event.request.groupConfiguration ?? {};
  const written = event.request.userAttributes?.["custom:roles"] ?? "";
  const granted = written.split(",").map((role) => role.trim()).filter((role) => known.has(role));
  // Without an answer Cognito leaves the groups as they are.
  if (granted.length > 0) {
    const all = [...new Set([...(groups.groupsToOverride ?? []), ...granted])];
    event.response = {
      claimsAndScopeOverrideDetails: { groupOverrideDetails: { ...groups, groupsToOverride: all } },
    };
  }
  return event;
};

/** Packages that not every working copy has installed. Patterns count only where a package is not found: where it is, its own types are checked. */
declare module "@effect/opentelemetry/*"
declare module "@octokit/*"
declare module "@opentelemetry/*"
declare module "openai*"

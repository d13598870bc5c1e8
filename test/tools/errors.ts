/**
 * The page on errors, from the errors themselves: `npm run errors` writes it, a test compares. Every reason has a sample here, which the types see to.
 */
import * as Duration from "effect/Duration"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as CredentialsError from "../../src/CredentialsError.ts"
import { root } from "./modules.ts"

const description = "connection refused"

const reasons: {
  readonly [Tag in CredentialsError.RefreshErrorReason["_tag"]]: Extract<
    CredentialsError.RefreshErrorReason,
    { readonly _tag: Tag }
  >
} = {
  Transport: { _tag: "Transport", description },
  Unavailable: { _tag: "Unavailable", status: 503, retryAfter: Duration.seconds(30) },
  Timeout: { _tag: "Timeout", after: Duration.seconds(30) },
  TooSoon: { _tag: "TooSoon", retryAfter: Duration.seconds(10) },
  Store: { _tag: "Store", description: "token store, transaction of me: LockTimeout, another process holds the lock" },
  Rejected: { _tag: "Rejected", code: "invalid_client", status: 401 },
  InvalidResponse: { _tag: "InvalidResponse", description: "it is no JSON object" },
  Interaction: { _tag: "Interaction", kind: "Denied" },
  WrongUser: { _tag: "WrongUser", claim: "email" },
  ReauthenticationRequired: {
    _tag: "ReauthenticationRequired",
    subtype: "invalid_rapt",
    description: "run gcloud auth application-default login"
  },
  Assertion: { _tag: "Assertion", description: "the key does not fit ES256" },
  Source: {
    _tag: "Source",
    description: "the token file /var/run/token is not there: check the path, and that it is mounted"
  },
  Ambiguous: { _tag: "Ambiguous", description: "the connection was lost" }
}

const storeReasons: {
  readonly [Reason in CredentialsError.TokenStoreError["reason"]]: string
} = {
  Corrupt: "it was set aside; try again to start anew",
  Permissions: "others can write to the directory; make it private (chmod 700)",
  LockTimeout: "another process holds the lock; try again later",
  Conflict: "somebody else wrote meanwhile; nothing was overwritten, try again",
  Unavailable: "the disk is full; make room",
  NewerVersion: "it was written by a newer version of this library; update this one"
}

const provider = "ClientCredentials"
const others: ReadonlyArray<readonly [when: string, error: Error & { readonly _tag: string }]> = [
  [
    "building a layer: nothing is configured",
    new CredentialsError.MissingCredentials({
      provider,
      missing: ["TOKEN_URL or ISSUER", "CLIENT_ID", "CLIENT_SECRET"]
    })
  ],
  [
    "building a layer: some settings are there, some are missing",
    new CredentialsError.PartialCredentials({ provider, present: ["CLIENT_ID"], missing: ["CLIENT_SECRET"] })
  ],
  [
    "building a layer: an option cannot work",
    new CredentialsError.InvalidOption({ provider, option: "tokenEndpoint", expected: "an https URL" })
  ],
  [
    "giving tokens back",
    new CredentialsError.RevocationError({ provider, reason: { _tag: "Unavailable", status: 503 } })
  ],
  [
    "reading or writing profiles",
    new CredentialsError.ProfilesError({
      operation: "get",
      profile: "work",
      reason: "NotFound",
      description: "there is none yet: write it first"
    })
  ],
  [
    "verifying an ID token yourself",
    new CredentialsError.IdTokenError({ part: "aud", description: "it does not name this client" })
  ],
  ["verifying an ID token yourself: somebody else logged in", new CredentialsError.WrongUser({ claim: "email" })],
  ["looking inside a JWT", new CredentialsError.JwtError({ description: "three parts separated by dots expected" })],
  [
    "a request: the client below followed a redirect",
    new CredentialsError.CrossOriginRedirect({ from: "https://api.example.com", to: "https://elsewhere.example" })
  ]
]

const row = (...cells: ReadonlyArray<string>) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`
const refreshError = (reason: CredentialsError.RefreshErrorReason) =>
  new CredentialsError.RefreshError({ provider, reason })
const storeError = (reason: CredentialsError.TokenStoreError["reason"]) =>
  new CredentialsError.TokenStoreError({
    operation: "transaction",
    key: "me",
    reason,
    description: storeReasons[reason]
  })

/** The page. */
export const page = (): string =>
  [
    "# Errors",
    "",
    "Every error has a `_tag` to match on and a message that says what happened and what to do. They are schemas, so they cross RPC and workers as JSON. None holds a secret, a request,",
    "or another error. This page is made from the code: `npm run errors`.",
    "",
    "## At run time: `RefreshError`, by `reason._tag`",
    "",
    "`isRetryable` says whether trying the same again later may help.",
    "",
    row("reason", "retryable", "its message, for example"),
    row("---", "---", "---"),
    ...Object.values(reasons).map((reason) => {
      const error = refreshError(reason)
      return row(`\`${reason._tag}\``, error.isRetryable ? "yes" : "no", error.message)
    }),
    "",
    "## Stores: `TokenStoreError`, by `reason`",
    "",
    row("reason", "its message, for example"),
    row("---", "---"),
    ...(Object.keys(storeReasons) as ReadonlyArray<CredentialsError.TokenStoreError["reason"]>).map((reason) =>
      row(`\`${reason}\``, storeError(reason).message)
    ),
    "",
    "## The others",
    "",
    row("error", "when", "its message, for example"),
    row("---", "---", "---"),
    ...others.map(([when, error]) => row(`\`${error._tag}\``, when, error.message)),
    ""
  ].join("\n")

/** Every tag that has a sample. */
export const tags: ReadonlyArray<string> = ["RefreshError", "TokenStoreError", ...others.map(([, error]) => error._tag)]

/** Where the page is. */
export const file: string = path.join(root, "examples/errors.md")

if (process.argv[1] === fileURLToPath(import.meta.url)) fs.writeFileSync(file, page())

import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { root, sources } from "./tools/modules.ts"

/** Ground floor first. A file may import from its own floor or any floor below it. */
const floors: ReadonlyArray<ReadonlyArray<string>> = [
  ["internal/*"],
  ["Token.ts", "Jwt.ts", "CredentialsError.ts"],
  ["protocol/*"],
  [
    "TokenEndpoint.ts",
    "AuthorizationServer.ts",
    "ClientAuthentication.ts",
    "TokenStore.ts",
    "Sources.ts",
    "Profiles.ts",
    "Authorization.ts",
    "IdToken.ts",
    "WorkloadIdentity.ts"
  ],
  ["Provider.ts", "Chain.ts"],
  ["Credentials.ts", "Status.ts"],
  ["providers/*", "AuthenticatedHttpClient.ts", "DPoP.ts", "KeyRing.ts", "Redis.ts"],
  ["Testing.ts", "CredentialsMap.ts", "Fetch.ts", "vendors/*"],
  ["index.ts"]
]

/** What the protocol may use of Effect: values and pure functions. No runtime, clock, random or I/O. */
const pureModules: ReadonlyArray<string> = [
  "Array",
  "DateTime",
  "Duration",
  "Either",
  "Encoding",
  "Function",
  "Option",
  "Pipeable",
  "Predicate",
  "Record",
  "Redacted",
  "Schema",
  "String",
  "Types"
]

/** The files that reveal a secret, and what for. A new one needs a reason as good as these. */
const revealing: Readonly<Record<string, string>> = {
  "Authorization.ts": "builds the header",
  "ClientAuthentication.ts": "signs with it, or refuses one that cannot be sent",
  "DPoP.ts": "imports the key, and hashes the access token",
  "Fetch.ts": "hands the token to code that does not speak Effect",
  "IdToken.ts": "hands the token to the verification, and hashes the access token",
  "Jwt.ts": "reads the claims",
  "Redis.ts": "hands the address to the client",
  "Sources.ts": "offers settings as a ConfigProvider, which knows texts only",
  "WorkloadIdentity.ts": "puts a secret in a header, and finds it in an answer",
  "internal/encryption.ts": "imports the key that files are encrypted with, or derives it",
  "internal/fingerprint.ts": "tells one from another",
  "internal/pkce.ts": "hashes a verifier",
  "internal/provenance.ts": "says of a token whose it is",
  "internal/profiles.ts": "writes down what a profile holds",
  "internal/secret.ts": "says whether one is blank",
  "internal/signing.ts": "signs with it",
  "Token.ts": "encodes a token for a store, and says whether it can be sent",
  "protocol/AuthorizationRequest.ts": "builds the address, and compares what comes back",
  "protocol/Grant.ts": "drops what is blank",
  "protocol/IdTokenClaims.ts": "compares the nonce",
  "protocol/TokenRequest.ts": "builds the body, and finds secrets that an answer echoes",
  "protocol/TokenResponse.ts": "reads the key a token is bound to",
  "providers/ApiKey.ts": "puts keys in headers",
  "vendors/Bitfount.ts": "reads and writes the tokens of another program, and cuts API keys for the hub",
  "vendors/Cortex.ts": "reads and writes the profiles of another program",
  "vendors/Google.ts": "writes the file that gcloud reads, and shows one token to obtain another",
  "vendors/Pilot.ts": "puts the API key where the server looks for it"
}

/** The files that look into a JWT whose signature nobody has verified, and what for: never to trust what it says. */
const unverified: Readonly<Record<string, string>> = {
  "IdToken.ts": "compares who logged in before, after it has verified who logs in now",
  "Status.ts": "shows a person whose token it is",
  "Token.ts": "takes its exp as a hint where nobody says how long it lives",
  "protocol/TokenResponse.ts": "takes its exp as a hint where the server does not say how long it lives",
  "providers/AuthorizationCode.ts": "suggests to the login page who logged in before",
  "providers/TokenFactory.ts": "takes its iat as a hint of how old it is",
  "vendors/Bitfount.ts": "names the person in the environment that another program reads"
}

/** Members that are called like secrets and are not, or are what is written down. */
const inTheClear: ReadonlyArray<string> = [
  // The form in which a store, a session or a profile keeps it.
  "Token.ts accessToken",
  "Token.ts refreshToken",
  "Token.ts idToken",
  "providers/AuthorizationCode.ts verifier",
  // Where a member of an answer or of a request is.
  "protocol/TokenShape.ts accessToken",
  "protocol/TokenShape.ts refreshToken",
  "protocol/TokenShape.ts idToken",
  "providers/Password.ts password"
]

/** The files that run code of @effect/platform: in Effect 4 it moves into effect, and then only these change. */
const onPlatform: ReadonlyArray<string> = [
  "AuthenticatedHttpClient.ts",
  "Fetch.ts",
  "Testing.ts",
  "TokenStore.ts",
  "WorkloadIdentity.ts",
  "internal/http.ts",
  "internal/memoryResponse.ts",
  "internal/program.ts",
  "vendors/Bitfount.ts",
  "vendors/Cognite.ts",
  "vendors/Google.ts"
]

/** Packages that only who uses a module needs to install. */
const optional: Readonly<Record<string, string>> = {
  "KeyRing.ts": "@napi-rs/keyring",
  "Redis.ts": "ioredis"
}

const bannedWords = /manager|helper|handler|service|utils?\b|(^|[^a-z])impl(?![a-z])/i

/** Source text without comments that have a line of their own: examples in docstrings are no code of the file. */
const codeOf = (text: string): string => text.replaceAll(/^[ \t]*(?:\/\*[\s\S]*?\*\/|\/\/.*$)/gm, "")

const importsOf = (code: string): ReadonlyArray<string> =>
  Array.from(
    code.matchAll(/^(?:import|export)\b[^"'`;]*?\bfrom\s*["']([^"']+)["']|\bimport\s*\(?\s*["'`]([^"'`]+)["'`]/gm),
    ([, from, bare]) => (from ?? bare)!
  )

const floorOf = (file: string): number =>
  floors.findIndex((floor) => floor.some((entry) => entry === file || entry === `${path.posix.dirname(file)}/*`))

const files = sources().map((file) => {
  const text = fs.readFileSync(path.join(root, "src", file), "utf8")
  const code = codeOf(text)
  const imports = importsOf(code)
  return {
    file,
    code,
    imports,
    /** Imported files of src. */
    below: imports
      .filter((specifier) => specifier.startsWith("."))
      .map((specifier) => path.posix.join(path.posix.dirname(file), specifier)),
    /** Imported packages. */
    packages: imports.filter((specifier) => !specifier.startsWith("."))
  }
})

describe("the rules see what they look for", () => {
  const code = codeOf(
    [
      '/** import a from "in-a-docstring" */',
      '// import b from "in-a-comment"',
      'import * as A from "a"',
      'import type { B } from "./B.ts"',
      "import {",
      "  c,",
      "  d",
      '} from "c"',
      'export * as E from "./E.ts"',
      'import "f"',
      'const g = () => import("g")'
    ].join("\n")
  )

  it("finds every kind of import, and none in comments", () => {
    expect(importsOf(code)).toEqual(["a", "./B.ts", "c", "./E.ts", "f", "g"])
  })

  it("finds the sources", () => {
    expect(files.length).toBeGreaterThan(10)
    expect(files.flatMap(({ below }) => below).length).toBeGreaterThan(10)
  })
})

describe("floors", () => {
  it.each(files)("$file has a floor and imports from its own or below", ({ below, file }) => {
    expect(floorOf(file)).toBeGreaterThanOrEqual(0)
    expect(below.filter((target) => floorOf(target) > floorOf(file))).toEqual([])
  })

  it.each(files)("$file imports sources that exist, by their full name", ({ below }) => {
    expect(below.filter((target) => !files.some(({ file }) => file === target))).toEqual([])
  })

  it.each(files.filter(({ file }) => file.startsWith("providers/")))("$file imports no other provider", ({ below }) => {
    expect(below.filter((target) => target.startsWith("providers/"))).toEqual([])
  })

  it.each(files.filter(({ file }) => file.startsWith("protocol/")))("$file is pure", ({ code, packages }) => {
    expect(packages.filter((name) => !pureModules.some((pure) => name === `effect/${pure}`))).toEqual([])
    expect(code).not.toMatch(/\bDateTime\.(unsafeNow|now)\b/)
  })

  it("no two files import each other, not even by a detour", () => {
    const open: Array<string> = []
    const done = new Set<string>()
    const visit = (file: string): void => {
      if (done.has(file)) return
      expect(open, `${[...open, file].join(" → ")}`).not.toContain(file)
      open.push(file)
      for (const target of files.find((other) => other.file === file)?.below ?? []) visit(target)
      open.pop()
      done.add(file)
    }
    for (const { file } of files) visit(file)
  })
})

describe("what sources may touch", () => {
  it.each(files)("$file imports modules of Effect, never a barrel", ({ file, packages }) => {
    const allowed = /^(effect\/[A-Z]\w*|@effect\/platform\/[A-Z]\w*|jose(\/.+)?)$/
    expect(packages.filter((name) => !allowed.test(name) && optional[file] !== name)).toEqual([])
  })

  it.each(Object.entries(optional))("%s loads %s when it is needed, and nothing else does", (file, name) => {
    const { code } = files.find((one) => one.file === file)!
    expect(code).not.toMatch(new RegExp(`from "${name}"`))
    expect(files.filter(({ packages }) => packages.includes(name)).map(({ file }) => file)).toEqual([file])
  })

  it.each(files)("$file names nothing of Node", ({ code, imports }) => {
    expect(imports.filter((name) => name.startsWith("node:"))).toEqual([])
    expect(code).not.toMatch(/["'`]node:|\brequire\s*\(|\bBuffer\b/)
  })

  it.each(files)("$file takes time and chance from Effect (S134, S326)", ({ code, file }) => {
    expect(code).not.toMatch(/\bDate\.now\b|\bnew Date\b|\bMath\.random\b|\bperformance\.now\b|\bsetInterval\b/)
    // Effect's own timers keep a program from ending: one of ours must not.
    expect(/\bsetTimeout\b/.test(code)).toBe(file === "internal/node.ts")
  })

  it("what Effect draws by lot decides when to renew, never what is secret (S326)", () => {
    const drawing = files.filter(({ packages }) => packages.includes("effect/Random"))
    // Testing leaves nothing to chance: it replaces the lot by a constant.
    expect(drawing.map(({ file }) => file)).toEqual(["Credentials.ts", "Testing.ts"])
  })

  it.each(files)(
    "$file uses nothing that looks right for tokens and is not (S106, S117, S118, S119, S135)",
    ({ code, packages }) => {
      const treacherous = /^effect\/(Cache|ScopedCache|Resource|FiberHandle|FiberMap|SynchronizedRef|STM|TRef)$/
      expect(packages.filter((name) => treacherous.test(name))).toEqual([])
      expect(code).not.toMatch(/\bEffect\.(cached\w*|makeSemaphore|unsafeMakeSemaphore)\b|\bSchedule\.fixed\b/)
      // Interrupted while they start, these can wait for ever: internal/merged.ts does not.
      expect(code).not.toMatch(/\bStream\.(merge\w*|interruptWhen\w*|haltWhen\w*)\b(?!`)/)
    }
  )

  it("one file signs and verifies, and loads what it needs for that when it needs it", () => {
    const signing = files.filter(({ packages }) => packages.some((name) => name.startsWith("jose")))
    expect(signing.map(({ file }) => file)).toEqual(["internal/jose.ts"])
    expect(signing[0]!.code).not.toMatch(/^import (?!type\b)[^"]*"jose/m)
  })

  it("code of @effect/platform runs in the listed files only; types are free", () => {
    const running = files.filter(({ code }) => /^import (?!type\b)[^"]*"@effect\/platform\//m.test(code))
    expect(running.map(({ file }) => file)).toEqual(onPlatform)
  })

  it("secrets are revealed in the listed files only (S024, S027)", () => {
    const reveals = files.filter(({ code }) => /\bRedacted\.value\b|\{[^}]*\} from "effect\/Redacted"/.test(code))
    expect(reveals.map(({ file }) => file)).toEqual(Object.keys(revealing).sort())
  })
})

describe("secrets in the sources", () => {
  it("only the listed files look into a JWT that nobody has verified (S285)", () => {
    const looking = files.filter(({ below, file }) => below.includes("Jwt.ts") && file !== "index.ts")
    expect(looking.map(({ file }) => file)).toEqual(Object.keys(unverified).sort())
  })

  it("no secret is compared with an operator: that takes longer the more of a guess is right (S036)", () => {
    const compared = /(===|!==)\s*Redacted\.value\(|Redacted\.value\([\w.]*\)\s*(===|!==)(?!\s*"")/
    expect(compared.test("a === Redacted.value(b)")).toBe(true)
    expect(files.filter(({ code }) => compared.test(code)).map(({ file }) => file)).toEqual([])
  })

  it("every secret that is given or returned may be, or is, redacted (S330)", () => {
    const secret = /secret|password|passphrase|(access|refresh|id|developer|rapt)token$|verifier|apikey|privatekey/i
    const members = files
      .filter(({ file }) => !file.startsWith("internal/"))
      .flatMap(({ code, file }) =>
        Array.from(code.matchAll(/readonly (\w+)\??: ([^=>\n]*)$/gm), ([, name = "", type = ""]) => ({
          file,
          name,
          type
        }))
      )
    const plain = members.filter(
      ({ name, type }) => secret.test(name) && /\bstring\b/.test(type) && !type.includes("Redacted")
    )
    expect(members.length).toBeGreaterThan(150)
    expect([...new Set(plain.map(({ file, name }) => `${file} ${name}`))].sort()).toEqual([...inTheClear].sort())
  })

  it("what is logged is a text, never a request, its headers or anything else that could hold them (S023)", () => {
    const logged = files.flatMap(({ code, file }) =>
      Array.from(code.matchAll(/\bEffect\.log[A-Z]?\w*\(\s*(.)/g), ([, first = ""]) => ({ file, first }))
    )
    expect(logged.length).toBeGreaterThan(8)
    expect(logged.filter(({ first }) => first !== '"' && first !== "`")).toEqual([])
    const annotated = files.flatMap(({ code }) =>
      Array.from(code.matchAll(/\bannotateLogs\(([^)]*)\)/g), ([, all]) => all)
    )
    expect(new Set(annotated)).toEqual(new Set(['"provider", this.#provider.name']))
  })

  it("defects say what the code says: none is made of what a server, a caller or a store has given (S038)", () => {
    // Testing.ts dies of the mistakes of tests, which hold no secrets.
    const dying = files
      .filter(({ file }) => file !== "Testing.ts")
      .flatMap(({ code, file }) =>
        Array.from(code.matchAll(/\bEffect\.die\w*\(.*|\bthrow\b.*/g), ([all]) => `${file}: ${all}`)
      )
    const constant = /: throw (undefined|new \w+\((["'][^"'`$]*["'])?\))$/
    expect(dying.filter((line) => !constant.test(line))).toEqual([
      // Promises know no typed errors: this is how fetch fails.
      "Fetch.ts: throw new TypeError(`fetch failed: this redirect leads to ${to.origin}, and a ${request.method} stays here`)",
      'Fetch.ts: throw new RefreshError({ provider: "Fetch", reason: { _tag: "Source", description: "it is closed" } })',
      "Fetch.ts: throw rejection(exit.cause, call)"
    ])
  })
})

describe("regular expressions", () => {
  const literal =
    /(?<=(?:[=(,:!&|?{};[>]|\breturn)\s*)\/(?![*/\s])((?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)\/([dgimsuvy]*)(?![\w/])/g
  const found = files.flatMap(({ code, file }) =>
    Array.from(code.matchAll(literal), ([text, source = "", flags = ""]) => ({ file, text, source, flags }))
  )
  const size = 30_000
  const pieces = [
    ...[
      "a",
      "A",
      "0",
      "_",
      "-",
      ".",
      "/",
      ":",
      "=",
      "%",
      "+",
      "@",
      " ",
      "\t",
      "\n",
      "\0",
      "\\",
      '"',
      "'",
      "(",
      "[",
      "{",
      "<",
      ","
    ],
    ...[
      "\u200b",
      "\ud800",
      "é",
      "a1",
      "aA0.",
      "a ",
      "a=",
      'a="',
      "1.",
      "://",
      "a.b.",
      "token=",
      "key : ",
      "Bearer ",
      "\u001b[",
      "%20"
    ]
  ]

  it("are found", () => {
    expect(found.length).toBeGreaterThan(60)
    expect(found.map(({ text }) => text)).toContain("/[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Co}\\p{Cn}]+/gu")
  })

  /** Where looking takes the square of the length, this is half a second; where it does not, nothing. Twice, for the machine may be busy. */
  const isSlow = (look: () => unknown): boolean =>
    [1, 2].every(() => {
      const began = performance.now()
      look()
      return performance.now() - began > 150
    })

  it("end in time whatever they are given, thirty thousand characters of it (S327)", () => {
    expect(isSlow(() => "/".repeat(size).concat("!").replace(/\/+$/, ""))).toBe(true)
    const slow = found.filter(({ flags, source }) => {
      const expression = new RegExp(source, flags)
      return pieces.some((piece) => {
        const text = piece.repeat(Math.ceil(size / piece.length))
        return isSlow(() => `${text}\n!`.replace(expression, ""))
      })
    })
    expect(slow.map(({ file, text }) => `${file}: ${text}`)).toEqual([])
  }, 30_000)
})

describe("names", () => {
  const listed = (folder: string): ReadonlyArray<string> =>
    fs
      .readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => !file.includes("node_modules"))
      .map((file) => `${folder}/${file}`)

  it("no file is called after what holds it together", () => {
    expect(["src", "test", "examples"].flatMap(listed).filter((file) => bannedWords.test(file))).toEqual([])
  })

  it("tests import the sources by path: the package's own name is for examples", () => {
    const tests = listed("test").filter((file) => file.endsWith(".test.ts"))
    const importing = tests.filter((file) =>
      importsOf(codeOf(fs.readFileSync(path.join(root, file), "utf8"))).some((name) =>
        /^effect-credentials\b/.test(name)
      )
    )
    expect(importing).toEqual([])
  })
})

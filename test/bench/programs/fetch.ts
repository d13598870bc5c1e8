/** By hand, without Effect: a token for the client, and one call with it. */
const origin = process.argv[2]!

let held: { readonly token: string; readonly until: number } | undefined
const token = async (): Promise<string> => {
  if (held !== undefined && Date.now() < held.until) return held.token
  const response = await fetch(`${origin}/token`, {
    method: "POST",
    headers: { authorization: `Basic ${btoa("me:s3cret")}` },
    body: new URLSearchParams({ grant_type: "client_credentials", scope: "read" })
  })
  const { access_token, expires_in } = (await response.json()) as { access_token: string; expires_in: number }
  held = { token: access_token, until: Date.now() + (expires_in - 60) * 1_000 }
  return access_token
}

const response = await fetch(`${origin}/me`, { headers: { authorization: `Bearer ${await token()}` } })
console.log(response.status, await response.text())

// A real OpenID Connect provider for the test of single sign-on: the certified `oidc-provider`
// package, with its own login and consent pages.
//
//   node oidc_provider.mjs FOLDER CALLBACK_URL
//
// FOLDER has node_modules/oidc-provider. The first line on standard output is the issuer. What the
// provider answers is its own, except after GET /fault/KIND: then the next ID token is replaced by
// one that is wrong in one way and, where that is not the fault, signed with the provider's key.
import { createServer } from 'node:http'
import { createHmac, createSign, generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [folder, callback] = process.argv.slice(2)
const { Provider } = await import(
  pathToFileURL(join(folder, 'node_modules/oidc-provider/lib/index.js')))

const SECRET = 'a-secret-that-only-the-test-knows-0123456789'
const ours = generateKeyPairSync('rsa', { modulusLength: 2048 })
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 })
const people = {
  anna: { email: 'anna@kz.example', email_verified: true, groups: ['staff'] },
  bolat: { email: 'bolat@kz.example', email_verified: false, groups: ['staff', 'release-approvers'] },
  nobody: { groups: [] },
}

const server = createServer()
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const issuer = `http://127.0.0.1:${server.address().port}`

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'kurultai',
    client_secret: SECRET,
    redirect_uris: [callback],
    response_types: ['code'],
    grant_types: ['authorization_code'],
  }],
  jwks: { keys: [{ ...ours.privateKey.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'RS256' }] },
  pkce: { required: () => true },
  conformIdTokenClaims: false,
  claims: { openid: ['sub'], profile: ['preferred_username', 'groups'], email: ['email', 'email_verified'] },
  cookies: { keys: ['a key for the cookies of this test'] },
  async findAccount(_, id) {
    const known = people[id]
    return known && { accountId: id, claims: async () => ({ sub: id, preferred_username: id, ...known }) }
  },
})

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const rsa = (text, key) => createSign('RSA-SHA256').update(text).sign(key).toString('base64url')

function spoil(token, fault) {
  const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'))
  const header = { alg: 'RS256', kid: 'one', typ: 'JWT' }
  let key = ours.privateKey
  switch (fault) {
    case 'nonce': claims.nonce = 'of-another-request'; break
    case 'audience': claims.aud = 'another-client'; break
    case 'audiences': claims.aud = ['kurultai', 'another-client']; break
    case 'expired': claims.iat -= 7200; claims.exp = claims.iat + 600; break
    case 'issuer': claims.iss = 'https://other.example'; break
    case 'signature': key = stranger.privateKey; break
    case 'kid': header.kid = 'two'; key = stranger.privateKey; break
    case 'unsigned': return `${encode({ alg: 'none' })}.${encode(claims)}.`
    case 'shared': {
      const text = `${encode({ alg: 'HS256' })}.${encode(claims)}`
      return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`
    }
    case 'nobody': delete claims.preferred_username; break
    default: throw new Error(`no such fault: ${fault}`)
  }
  const text = `${encode(header)}.${encode(claims)}`
  return `${text}.${rsa(text, key)}`
}

let fault
provider.use(async (ctx, next) => {
  await next()
  if (ctx.path === '/token' && fault && ctx.body?.id_token) {
    ctx.body = { ...ctx.body, id_token: spoil(ctx.body.id_token, fault) }
    fault = undefined
  }
})
const answer = provider.callback()
server.on('request', (request, response) => {
  const [, kind] = request.url.match(/^\/fault\/(\w+)$/) ?? []
  if (kind) {
    fault = kind
    response.end('ok\n')
  } else {
    answer(request, response)
  }
})
// The test closes standard input when it ends, however it ends.
process.stdin.on('end', () => process.exit(0)).resume()
console.log(issuer)

// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which of the firmware's backends serves what: RSA keys, PINs, and storage beside the core.

use trussed::backend::{Backend as _, BackendId};
use trussed::platform::Platform;
use trussed::serde_extensions::{ExtensionDispatch, ExtensionId, ExtensionImpl};
use trussed::service::ServiceResources;
use trussed::types::Context;
use trussed_auth::AuthExtension;
use trussed_auth_backend::{AuthBackend, AuthContext, FilesystemLayout};
use trussed_chunked::ChunkedExtension;
use trussed_core::api::{reply, request, Reply, Request};
use trussed_core::types::Location;
use trussed_core::Error;
use trussed_hpke::HpkeExtension;
use trussed_rsa_alloc::SoftwareRsa;
use trussed_staging::{StagingBackend, StagingContext};
use trussed_wrap_key_to_file::WrapKeyToFileExtension;

pub const BACKENDS: &[BackendId<Backend>] = &[
    BackendId::Custom(Backend::Rsa),
    BackendId::Custom(Backend::Auth),
    BackendId::Custom(Backend::Staging),
    BackendId::Core,
];

pub enum Backend {
    Rsa,
    Auth,
    Staging,
}

#[derive(Clone, Copy)]
pub enum Extension {
    Auth,
    Chunked,
    WrapKeyToFile,
    Hpke,
}

impl From<Extension> for u8 {
    fn from(extension: Extension) -> Self {
        extension as Self
    }
}

impl TryFrom<u8> for Extension {
    type Error = Error;

    fn try_from(id: u8) -> Result<Self, Error> {
        [Self::Auth, Self::Chunked, Self::WrapKeyToFile, Self::Hpke].get(usize::from(id)).copied().ok_or(Error::InternalError)
    }
}

pub struct Dispatch {
    auth: AuthBackend,
    staging: StagingBackend,
}

#[derive(Default)]
pub struct Contexts {
    auth: AuthContext,
    staging: StagingContext,
}

impl Dispatch {
    pub fn new() -> Self {
        Self { auth: AuthBackend::new(Location::Internal, FilesystemLayout::V0), staging: StagingBackend::new() }
    }
}

impl ExtensionDispatch for Dispatch {
    type BackendId = Backend;
    type Context = Contexts;
    type ExtensionId = Extension;

    fn core_request<P: Platform>(
        &mut self,
        backend: &Backend,
        ctx: &mut Context<Contexts>,
        request: &Request,
        resources: &mut ServiceResources<P>,
    ) -> Result<Reply, Error> {
        match backend {
            Backend::Rsa => SoftwareRsa.request(&mut ctx.core, &mut (), request, resources),
            Backend::Auth => self.auth.request(&mut ctx.core, &mut ctx.backends.auth, request, resources),
            Backend::Staging => self.staging.request(&mut ctx.core, &mut ctx.backends.staging, request, resources),
        }
    }

    fn extension_request<P: Platform>(
        &mut self,
        backend: &Backend,
        extension: &Extension,
        ctx: &mut Context<Contexts>,
        request: &request::SerdeExtension,
        resources: &mut ServiceResources<P>,
    ) -> Result<reply::SerdeExtension, Error> {
        let (core, contexts) = (&mut ctx.core, &mut ctx.backends);
        match (backend, extension) {
            (Backend::Auth, Extension::Auth) => {
                self.auth.extension_request_serialized(core, &mut contexts.auth, request, resources)
            }
            (Backend::Staging, Extension::Chunked) => {
                ExtensionImpl::<ChunkedExtension>::extension_request_serialized(&mut self.staging, core, &mut contexts.staging, request, resources)
            }
            (Backend::Staging, Extension::WrapKeyToFile) => ExtensionImpl::<WrapKeyToFileExtension>::extension_request_serialized(
                &mut self.staging,
                core,
                &mut contexts.staging,
                request,
                resources,
            ),
            (Backend::Staging, Extension::Hpke) => {
                ExtensionImpl::<HpkeExtension>::extension_request_serialized(&mut self.staging, core, &mut contexts.staging, request, resources)
            }
            _ => Err(Error::RequestNotAvailable),
        }
    }
}

macro_rules! extension {
    ($extension:ty, $id:ident) => {
        impl ExtensionId<$extension> for Dispatch {
            type Id = Extension;
            const ID: Extension = Extension::$id;
        }
    };
}
extension!(AuthExtension, Auth);
extension!(ChunkedExtension, Chunked);
extension!(WrapKeyToFileExtension, WrapKeyToFile);
extension!(HpkeExtension, Hpke);

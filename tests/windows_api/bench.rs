//! Readers, and databases and a cache that no other test sees.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::ptr::null;
use std::sync::{Mutex, MutexGuard, PoisonError};

use winscard::api::constants::*;
use winscard::api::context::*;
use winscard::api::types::*;
use winscard::sim::builtin::BuiltinCard;
use winscard::sim::card::Protocols;
use winscard::sim::{self, Config, Reader};

use crate::calls::Context;
use crate::session::names;

/// The directories of one test, which runs alone in the process meanwhile.
pub(crate) struct Bench {
    pub(crate) root: PathBuf,
    pub(crate) user: SCARDCONTEXT,
    pub(crate) system: SCARDCONTEXT,
    readers: Vec<Reader>,
    _turn: MutexGuard<'static, ()>,
}

fn context(scope: DWORD) -> SCARDCONTEXT {
    let mut context = 0;
    assert_eq!(
        unsafe { SCardEstablishContext(scope, null(), null(), &raw mut context) },
        SCARD_S_SUCCESS
    );
    context
}

impl Bench {
    pub(crate) fn new() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let root = env::temp_dir().join(format!("winscard-windows-api-{}", std::process::id()));
        let _none = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("run")).unwrap();
        // SAFETY: only one test runs at a time, and nothing but the library's `std::env` reads the environment meanwhile.
        unsafe {
            env::set_var("XDG_CONFIG_HOME", root.join("config"));
            env::set_var("XDG_RUNTIME_DIR", root.join("run"));
            env::set_var("WINSCARD_SYSCONFDIR", root.join("etc"));
        }
        Self {
            root,
            user: context(SCARD_SCOPE_USER),
            system: context(SCARD_SCOPE_SYSTEM),
            readers: Vec::new(),
            _turn: turn,
        }
    }

    /// Plugs in a reader; the names of its slots.
    pub(crate) fn plug(&mut self, config: Config) -> Vec<String> {
        let context = Context::new();
        let before = names(&context);
        self.readers.push(sim::plug(config).expect("a reader"));
        let now = names(&context);
        now.into_iter().filter(|name| !before.contains(name)).collect()
    }

    /// Plugs in a reader with one slot; its name.
    pub(crate) fn reader(&mut self) -> String {
        let mut names = self.plug(Config::default());
        assert_eq!(names.len(), 1);
        names.remove(0)
    }

    /// The same with a card in it; the name.
    pub(crate) fn with_card(&mut self) -> String {
        let name = self.reader();
        let reader = self.readers.last().unwrap();
        assert!(reader.insert(0, BuiltinCard::new(Protocols::T0)).is_none());
        name
    }

    pub(crate) fn unplug_all(&mut self) {
        for reader in self.readers.drain(..) {
            reader.unplug();
        }
    }

    pub(crate) fn user_file(&self) -> PathBuf {
        self.root.join("config/winscard/database")
    }

    pub(crate) fn system_file(&self) -> PathBuf {
        self.root.join("etc/winscard/database")
    }

    pub(crate) fn cache_file(&self) -> PathBuf {
        self.root.join("run/winscard/cache")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.unplug_all();
        SCardReleaseContext(self.user);
        SCardReleaseContext(self.system);
        let _left = fs::remove_dir_all(&self.root);
    }
}

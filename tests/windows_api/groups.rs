//! Names and groups of readers. MSDN `SCardListReaders`, `SCardIntroduceReader` and the others of "Smart Card Database Management".

use std::ptr::{null, null_mut};

use winscard::api::constants::*;
use winscard::api::io::SCardGetAttrib;
use winscard::api::readers::SCardListReaders;
use winscard::api::types::*;
use winscard::error::Error;

use crate::bench::Bench;
use crate::form::{Form, Text, both, code, text};

const DEFAULT: &str = "SCard$DefaultReaders";
const ALL: &str = "SCard$AllReaders";

both! {
    readers_are_in_the_default_group
    a_group_is_there_with_its_first_reader_and_gone_with_its_last
    readers_are_listed_by_groups_each_once
    a_forgotten_group_leaves_its_readers
    groups_that_exist_only_to_list_by_cannot_be_changed
    an_introduced_name_is_listed_and_connects
    microsofts_example_renames_a_reader
    a_name_in_use_is_refused
    a_name_that_nobody_has_cannot_be_forgotten_or_grouped
    a_name_for_an_absent_reader_is_listed_when_it_comes
    the_user_sees_the_systems_entries_and_hides_them
    a_null_context_is_allowed_where_microsoft_says_so
    names_have_limits
    there_is_room_for_so_many
    nobody_changes_what_is_not_to_be_trusted
    bad_contexts_and_null_names_are_refused
}

/// MSDN `SCardListReaderGroups`: SCard$DefaultReaders only if it contains a reader, SCard$AllReaders never.
fn readers_are_in_the_default_group<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    assert_eq!(form.groups(bench.user), Ok(Vec::new()));
    assert_eq!(form.readers(bench.user, None), Err(Error::NoReadersAvailable));
    let name = bench.reader();
    assert_eq!(form.groups(bench.user), Ok(vec![DEFAULT.to_owned()]));
    for groups in [None, Some([DEFAULT].as_slice()), Some(&[ALL]), Some(&[])] {
        assert_eq!(form.readers(bench.user, groups), Ok(vec![name.clone()]), "{groups:?}");
    }
    for group in ["SCard$LocalReaders", "SCard$SystemReaders", "nobody's"] {
        assert_eq!(
            form.readers(bench.user, Some(&[group])),
            Err(Error::NoReadersAvailable),
            "{group}"
        );
    }
}

/// MSDN `SCardAddReaderToGroup`, `SCardRemoveReaderFromGroup`, `SCardIntroduceReaderGroup`.
fn a_group_is_there_with_its_first_reader_and_gone_with_its_last<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let name = bench.reader();
    let user = bench.user;
    assert_eq!(form.new_group(user, "Desk"), Ok(()));
    assert_eq!(
        form.groups(user),
        Ok(vec![DEFAULT.to_owned()]),
        "not stored until a reader is added"
    );
    assert_eq!(form.add(user, &name, "Desk"), Ok(()));
    assert_eq!(form.add(user, &name, "DESK"), Ok(()), "it is in it already");
    assert_eq!(form.groups(user), Ok(vec![DEFAULT.to_owned(), "Desk".to_owned()]));
    assert_eq!(form.readers(user, Some(&["desk"])), Ok(vec![name.clone()]));
    assert_eq!(form.remove(user, &name, "Desk"), Ok(()));
    assert_eq!(form.remove(user, &name, "Desk"), Ok(()), "it is not in it");
    assert_eq!(form.groups(user), Ok(vec![DEFAULT.to_owned()]));
    assert_eq!(form.remove(user, &name, DEFAULT), Ok(()));
    assert_eq!(form.groups(user), Ok(Vec::new()));
    assert_eq!(form.readers(user, Some(&[DEFAULT])), Err(Error::NoReadersAvailable));
    assert_eq!(form.readers(user, None), Ok(vec![name]), "in no group, and there");
}

/// MSDN `SCardListReaders`: within a set of groups, eliminating duplicates; unrecognized group names are ignored.
fn readers_are_listed_by_groups_each_once<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let (one, two) = (bench.reader(), bench.reader());
    let user = bench.user;
    form.add(user, &one, "First").unwrap();
    form.add(user, &two, "Second").unwrap();
    form.add(user, &two, "First").unwrap();
    assert_eq!(form.readers(user, Some(&["Second"])), Ok(vec![two.clone()]));
    let both = Ok(vec![one.clone(), two]);
    assert_eq!(form.readers(user, Some(&["First"])), both);
    assert_eq!(form.readers(user, Some(&["Second", "no such", "First"])), both);
    assert_eq!(form.readers(user, Some(&["Second", ALL])), both);
    // The plain function ignores groups, as pcsc-lite does.
    let (group, mut length) = (b"Second\0\0", 0);
    let result = unsafe { SCardListReaders(user, group.as_ptr().cast(), null_mut(), &raw mut length) };
    assert_eq!(code(result), Ok(()));
    assert!(length > 2 * DWORD::try_from(one.len()).unwrap());
}

/// MSDN `SCardForgetReaderGroup`.
fn a_forgotten_group_leaves_its_readers<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let name = bench.reader();
    form.add(bench.user, &name, "Desk").unwrap();
    assert_eq!(form.end_group(bench.user, "desk"), Ok(()));
    assert_eq!(
        form.end_group(bench.user, "Desk"),
        Ok(()),
        "introduced groups are stored nowhere"
    );
    assert_eq!(form.groups(bench.user), Ok(vec![DEFAULT.to_owned()]));
    assert_eq!(form.readers(bench.user, None), Ok(vec![name]));
}

fn groups_that_exist_only_to_list_by_cannot_be_changed<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let name = bench.reader();
    for group in [ALL, "SCard$LocalReaders", "SCard$SystemReaders", ""] {
        assert_eq!(form.new_group(bench.user, group), Err(Error::InvalidValue), "{group}");
        assert_eq!(form.end_group(bench.user, group), Err(Error::InvalidValue), "{group}");
        assert_eq!(form.add(bench.user, &name, group), Err(Error::InvalidValue), "{group}");
        assert_eq!(
            form.remove(bench.user, &name, group),
            Err(Error::InvalidValue),
            "{group}"
        );
    }
    assert_eq!(form.new_group(bench.user, DEFAULT), Ok(()));
    assert_eq!(form.end_group(bench.user, DEFAULT), Err(Error::InvalidValue));
    assert!(!bench.user_file().exists());
}

/// MSDN `SCardIntroduceReader`. The plain functions do not know the name.
fn an_introduced_name_is_listed_and_connects<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let device = bench.with_card();
    let (user, name) = (bench.user, "Schalter 3 – Gäste");
    assert_eq!(form.introduce(user, name, &device), Ok(()));
    assert_eq!(form.readers(user, None), Ok(vec![device.clone(), name.to_owned()]));
    assert_eq!(
        form.readers(user, Some(&[DEFAULT])),
        Ok(vec![device.clone(), name.to_owned()])
    );
    let card = form.connected(user, name, SCARD_SHARE_SHARED).unwrap();
    let mut other = null_mut::<u8>();
    let mut length = SCARD_AUTOALLOCATE;
    let target = (&raw mut other).cast();
    code(unsafe { SCardGetAttrib(card, SCARD_ATTR_DEVICE_SYSTEM_NAME_A, target, &raw mut length) }).unwrap();
    assert_eq!(usize::try_from(length).unwrap(), device.len() + 1);
    unsafe { libc::free(other.cast()) };
    winscard::api::card::SCardDisconnect(card, SCARD_LEAVE_CARD);
    let c_name = std::ffi::CString::new(name).unwrap();
    let (mut card, mut protocol) = (0, 0);
    let plain = unsafe {
        winscard::api::card::SCardConnect(
            user,
            c_name.as_ptr(),
            SCARD_SHARE_SHARED,
            3,
            &raw mut card,
            &raw mut protocol,
        )
    };
    assert_eq!(code(plain), Err(Error::UnknownReader));
    assert_eq!(form.forget(user, name), Ok(()));
    assert_eq!(form.readers(user, None), Ok(vec![device]));
    assert_eq!(
        form.connected(user, name, SCARD_SHARE_SHARED),
        Err(Error::UnknownReader)
    );
}

/// The example of MSDN `SCardIntroduceReader`, step by step.
fn microsofts_example_renames_a_reader<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let device = bench.with_card();
    let user = bench.user;
    let card = form.connected(user, &device, SCARD_SHARE_SHARED).unwrap();
    let (mut name, mut length) = (null_mut::<U>(), SCARD_AUTOALLOCATE);
    let target: LPBYTE = (&raw mut name).cast();
    code(unsafe { SCardGetAttrib(card, form.system_name, target, &raw mut length) }).unwrap();
    let new_name = text::<U>("My New Reader Name");
    code(unsafe { (form.introduce_reader)(user, new_name.as_ptr(), name) }).unwrap();
    code(unsafe { (form.forget_reader)(user, name) }).unwrap();
    code(unsafe { winscard::api::context::SCardFreeMemory(user, name.cast()) }).unwrap();
    assert_eq!(form.readers(user, None), Ok(vec!["My New Reader Name".to_owned()]));
    assert_eq!(
        form.connected(user, &device, SCARD_SHARE_SHARED),
        Err(Error::UnknownReader)
    );
    // And back again.
    assert_eq!(form.forget(user, &device), Err(Error::UnknownReader));
    assert_eq!(form.introduce(user, &device, &device), Ok(()));
    assert_eq!(form.forget(user, "My New Reader Name"), Ok(()));
    assert_eq!(form.readers(user, None), Ok(vec![device]));
}

fn a_name_in_use_is_refused<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let device = bench.reader();
    assert_eq!(
        form.introduce(bench.user, &device, &device),
        Err(Error::DuplicateReader)
    );
    assert_eq!(form.introduce(bench.user, "Desk", &device), Ok(()));
    assert_eq!(
        form.introduce(bench.user, "desk", "another 00 00"),
        Err(Error::DuplicateReader)
    );
    assert_eq!(form.introduce(bench.system, "Desk", &device), Ok(()), "another scope");
}

fn a_name_that_nobody_has_cannot_be_forgotten_or_grouped<U: Text>(form: &Form<U>) {
    let bench = Bench::new();
    assert_eq!(form.forget(bench.user, "nobody"), Err(Error::UnknownReader));
    assert_eq!(form.add(bench.user, "nobody", "Desk"), Err(Error::UnknownReader));
    assert_eq!(form.remove(bench.user, "nobody", "Desk"), Err(Error::UnknownReader));
    assert!(!bench.user_file().exists(), "nothing was written");
}

fn a_name_for_an_absent_reader_is_listed_when_it_comes<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let device = bench.reader();
    let user = bench.user;
    bench.unplug_all();
    assert_eq!(form.introduce(user, "Desk", &device), Ok(()));
    assert_eq!(form.add(user, "Desk", "Mine"), Ok(()));
    assert_eq!(form.readers(user, None), Err(Error::NoReadersAvailable));
    assert_eq!(form.groups(user), Ok(vec![DEFAULT.to_owned(), "Mine".to_owned()]));
    assert_eq!(
        form.connected(user, "Desk", SCARD_SHARE_DIRECT),
        Err(Error::UnknownReader)
    );
    assert_eq!(bench.reader(), device);
    assert_eq!(form.readers(user, Some(&["Mine"])), Ok(vec!["Desk".to_owned()]));
}

/// MSDN `SCardEstablishContext`: operations are performed within the domain of the user, or of the system.
fn the_user_sees_the_systems_entries_and_hides_them<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let device = bench.reader();
    let (user, system) = (bench.user, bench.system);
    form.introduce(system, "Counter", &device).unwrap();
    assert!(bench.system_file().exists() && !bench.user_file().exists());
    let names = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(form.readers(user, None), names(&[&device, "Counter"]));
    form.introduce(user, "Mine", &device).unwrap();
    assert_eq!(
        form.readers(system, None),
        names(&[&device, "Counter"]),
        "not the user's"
    );
    assert_eq!(form.readers(user, None), names(&[&device, "Mine", "Counter"]));
    form.add(user, "Counter", "My group").unwrap();
    assert_eq!(form.groups(user), names(&[DEFAULT, "My group"]));
    assert_eq!(form.groups(system), names(&[DEFAULT]));
    form.forget(user, "Counter").unwrap();
    assert_eq!(form.readers(user, None), names(&[&device, "Mine"]));
    assert_eq!(form.readers(system, None), names(&[&device, "Counter"]));
    assert_eq!(form.forget(system, "Mine"), Err(Error::UnknownReader));
}

/// MSDN `SCardListReaders`, `SCardListReaderGroups`: not limited to any context. `SCardIntroduceReaderGroup`: the system's scope.
fn a_null_context_is_allowed_where_microsoft_says_so<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let device = bench.reader();
    form.introduce(bench.user, "Desk", &device).unwrap();
    assert_eq!(form.readers(0, None), Ok(vec![device, "Desk".to_owned()]));
    assert_eq!(form.groups(0), Ok(vec![DEFAULT.to_owned()]));
    assert_eq!(form.new_group(0, "Desk"), Ok(()));
}

fn names_have_limits<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let device = bench.reader();
    let (longest, too_long) = ("x".repeat(127), "x".repeat(128));
    for name in ["", "two\nlines", &too_long] {
        assert_eq!(
            form.introduce(bench.user, name, &device),
            Err(Error::InvalidValue),
            "{name:?}"
        );
        assert_eq!(
            form.introduce(bench.user, "Desk", name),
            Err(Error::InvalidValue),
            "{name:?}"
        );
        assert_eq!(
            form.add(bench.user, &device, name),
            Err(Error::InvalidValue),
            "{name:?}"
        );
        assert_eq!(form.new_group(bench.user, name), Err(Error::InvalidValue), "{name:?}");
    }
    assert_eq!(form.introduce(bench.user, &longest, &device), Ok(()));
    assert_eq!(form.add(bench.user, &longest, &longest), Ok(()));
    assert_eq!(form.readers(bench.user, Some(&[&longest])), Ok(vec![longest.clone()]));
    assert!(form.connected(bench.user, &longest, SCARD_SHARE_DIRECT).is_ok());
}

/// docs/database.md: 1024 names, 64 groups, 64 providers.
fn there_is_room_for_so_many<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let device = bench.reader();
    let user = bench.user;
    for number in 0..63 {
        assert_eq!(form.add(user, &device, &format!("group {number}")), Ok(()));
    }
    assert_eq!(form.add(user, &device, "one too many"), Err(Error::NoMemory));
    assert_eq!(form.groups(user).unwrap().len(), 64);
    form.new_card(user, "Card", &[0x3B, 0x00], None).unwrap();
    for number in 2..66 {
        assert_eq!(form.provide(user, "Card", number, "name"), Ok(()));
    }
    assert_eq!(form.provide(user, "Card", 66, "name"), Err(Error::NoMemory));
    assert_eq!(
        form.provide(user, "Card", 65, "other name"),
        Ok(()),
        "in place of another"
    );
    let mut text = String::new();
    for number in 0..1024 {
        text.push_str(&format!("[reader \"r{number}\"]\n[card \"c{number}\"]\natr=3b00\n"));
    }
    std::fs::write(bench.user_file(), text).unwrap();
    assert_eq!(form.introduce(user, "one too many", &device), Err(Error::NoMemory));
    assert_eq!(
        form.add(user, &device, "Desk"),
        Err(Error::NoMemory),
        "its entry would be one more"
    );
    assert_eq!(form.forget(user, &device), Err(Error::NoMemory));
    assert_eq!(
        form.new_card(user, "one too many", &[0x3B, 0x00], None),
        Err(Error::NoMemory)
    );
    assert_eq!(form.forget(user, "r7"), Ok(()), "an own name is forgotten in place");
    assert_eq!(form.end_card(user, "c7"), Ok(()));
    assert_eq!(form.new_card(user, "fits", &[0x3B, 0x00], None), Ok(()));
}

/// SCARD_E_NO_ACCESS of everything that writes.
fn nobody_changes_what_is_not_to_be_trusted<U: Text>(form: &Form<U>) {
    let mut bench = Bench::new();
    let device = bench.reader();
    let user = bench.user;
    form.new_card(user, "Card", &[0x3B, 0x00], None).unwrap();
    form.introduce(user, "Desk", &device).unwrap();
    let mode = |mode| {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(bench.user_file(), permissions).unwrap();
    };
    mode(0o602);
    let results = [
        form.end_group(user, "Mine"),
        form.introduce(user, "More", &device),
        form.forget(user, &device),
        form.add(user, &device, "Mine"),
        form.remove(user, &device, "Mine"),
        form.provide(user, "Card", 2, "name"),
        form.new_card(user, "More", &[0x3B, 0x00], None),
        form.end_card(user, "Card"),
    ];
    assert_eq!(results, [Err(Error::NoAccess); 8]);
    mode(0o600);
    assert_eq!(form.cards(user, None, &[]), Ok(vec!["Card".to_owned()]));
    assert_eq!(form.readers(user, None), Ok(vec![device, "Desk".to_owned()]));
}

fn bad_contexts_and_null_names_are_refused<U: Text>(form: &Form<U>) {
    let bench = Bench::new();
    let (name, user) = (text::<U>("name"), bench.user);
    let name = name.as_ptr();
    for bad in [-1, 1, user | 1 << 30] {
        let bad: SCARDCONTEXT = bad;
        let mut length = 77;
        let calls = unsafe {
            [
                (form.list_readers)(bad, null(), null_mut(), &raw mut length),
                (form.list_groups)(bad, null_mut(), &raw mut length),
                (form.introduce_group)(bad, name),
                (form.forget_group)(bad, name),
                (form.introduce_reader)(bad, name, name),
                (form.forget_reader)(bad, name),
                (form.add_to_group)(bad, name, name),
                (form.remove_from_group)(bad, name, name),
            ]
        };
        for result in calls {
            assert_eq!(code(result), Err(Error::InvalidHandle));
        }
        assert_eq!(length, 77);
    }
    let calls = unsafe {
        [
            (form.introduce_group)(user, null()),
            (form.forget_group)(user, null()),
            (form.introduce_reader)(user, null(), name),
            (form.introduce_reader)(user, name, null()),
            (form.forget_reader)(user, null()),
            (form.add_to_group)(user, null(), name),
            (form.add_to_group)(user, name, null()),
            (form.remove_from_group)(user, null(), name),
            (form.remove_from_group)(user, name, null()),
        ]
    };
    for result in calls {
        assert_eq!(code(result), Err(Error::InvalidParameter));
    }
    // A null context is none for what changes the database.
    let calls = unsafe {
        [
            (form.forget_group)(0, name),
            (form.introduce_reader)(0, name, name),
            (form.forget_reader)(0, name),
            (form.add_to_group)(0, name, name),
            (form.remove_from_group)(0, name, name),
        ]
    };
    for result in calls {
        assert_eq!(code(result), Err(Error::InvalidHandle));
    }
}

//! Against the recursive definitions of RFC 6962, and against the crate `tlog_tiles`.

use tlog_tiles::{Hash as JudgeHash, check_record, check_tree};

use super::*;
use crate::tile::Edge;

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

/// MTH of RFC 6962, section 2.1, word for word.
fn reference_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [one] => *one,
        _ => {
            let k = leaves.len().next_power_of_two() / 2;
            node_hash(reference_root(&leaves[..k]), reference_root(&leaves[k..]))
        }
    }
}

/// PATH of RFC 6962, section 2.1.1.
fn reference_path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return vec![];
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (mut path, sibling) = if m < k {
        (reference_path(m, &leaves[..k]), reference_root(&leaves[k..]))
    } else {
        (reference_path(m - k, &leaves[k..]), reference_root(&leaves[..k]))
    };
    path.push(sibling);
    path
}

/// SUBPROOF of RFC 6962, section 2.1.2.
fn reference_subproof(m: usize, leaves: &[Hash], complete: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if complete { vec![] } else { vec![reference_root(leaves)] };
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (mut proof, sibling) = if m <= k {
        (reference_subproof(m, &leaves[..k], complete), reference_root(&leaves[k..]))
    } else {
        (reference_subproof(m - k, &leaves[k..], false), reference_root(&leaves[..k]))
    };
    proof.push(sibling);
    proof
}

/// All complete subtrees of a set of leaves, so that a plan is folded as the journal folds it.
struct Levels(Vec<Vec<Hash>>);

impl Levels {
    fn new(leaves: &[Hash]) -> Self {
        let mut levels = vec![leaves.to_vec()];
        while levels.last().unwrap().len() > 1 {
            let next = levels.last().unwrap().chunks_exact(2).map(|pair| node_hash(pair[0], pair[1])).collect();
            levels.push(next);
        }
        Self(levels)
    }

    fn span(&self, span: Span) -> Hash {
        let hashes: Vec<Hash> = cover(span).iter().map(|node| self.0[usize::from(node.level)][node.index as usize]).collect();
        fold_cover(&hashes).unwrap()
    }
}

fn judge(hash: Hash) -> JudgeHash {
    JudgeHash(hash.0)
}

const SIZES: u64 = 600;

#[test]
fn published_vectors() {
    // The trees of Certificate Transparency's reference test (certificate-transparency, merkletree/merkle_tree_test.cc).
    assert_eq!(empty_root().to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let inputs: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let mut edge = Edge::default();
    let mut roots = Vec::new();
    for input in inputs {
        edge.push(leaf_hash(input));
        roots.push(edge.root().to_string());
    }
    assert_eq!(roots[0], "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    assert_eq!(roots[1], "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
    assert_eq!(roots[2], "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77");
    assert_eq!(roots[7], "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
}

#[test]
fn roots_of_all_sizes_equal_the_definition() {
    let all = leaves(SIZES);
    let mut edge = Edge::default();
    assert_eq!(edge.root(), empty_root());
    for (n, leaf) in all.iter().enumerate() {
        edge.push(*leaf);
        assert_eq!(edge.root(), reference_root(&all[..=n]), "size {}", n + 1);
    }
}

#[test]
fn inclusion_proofs_of_all_sizes_hold_and_equal_the_definition() {
    let all = leaves(SIZES);
    let levels = Levels::new(&all);
    for size in 1..=SIZES {
        let tree = &all[..size as usize];
        let root = levels.span(Span { start: 0, end: size });
        for index in 0..size {
            let proof: Vec<Hash> = inclusion_plan(index, size).into_iter().map(|span| levels.span(span)).collect();
            let leaf = all[index as usize];
            assert!(verify_inclusion(leaf, index, size, &proof, root), "{index} of {size}");
            // The quadratic definition and the other implementation on a sample of pairs, every index of the small trees.
            if size <= 70 || (index * 7 + size) % 41 == 0 {
                assert_eq!(proof, reference_path(index as usize, tree), "{index} of {size}");
                let judged: Vec<JudgeHash> = proof.iter().copied().map(judge).collect();
                check_record(&judged, size, judge(root), index, judge(leaf)).unwrap();
                // What does not hold: another leaf, index, size, root, order or length.
                assert!(!verify_inclusion(leaf_hash(b"other"), index, size, &proof, root));
                assert!(!verify_inclusion(leaf, index, size, &proof, leaf_hash(b"other")));
                assert!(size == 1 || !verify_inclusion(leaf, (index + 1) % size, size, &proof, root));
                assert!(!verify_inclusion(leaf, size, size, &proof, root));
                let mut longer = proof.clone();
                longer.push(root);
                assert!(!verify_inclusion(leaf, index, size, &longer, root));
                if let Some((_, shorter)) = proof.split_last() {
                    assert!(!verify_inclusion(leaf, index, size, shorter, root));
                }
            }
        }
    }
}

#[test]
fn consistency_proofs_of_all_sizes_hold_and_equal_the_definition() {
    let all = leaves(SIZES);
    let levels = Levels::new(&all);
    let root_of = |size: u64| if size == 0 { empty_root() } else { levels.span(Span { start: 0, end: size }) };
    for size in 1..=SIZES {
        let root = root_of(size);
        for old in 0..=size {
            let proof: Vec<Hash> = consistency_plan(old, size).into_iter().map(|span| levels.span(span)).collect();
            assert!(verify_consistency(old, root_of(old), size, root, &proof), "{old} of {size}");
            if size <= 70 || (old * 5 + size) % 41 == 0 {
                if old > 0 {
                    assert_eq!(proof, reference_subproof(old as usize, &all[..size as usize], true), "{old} of {size}");
                    let judged: Vec<JudgeHash> = proof.iter().copied().map(judge).collect();
                    check_tree(&judged, size, judge(root), old, judge(root_of(old))).unwrap();
                }
                assert!(!verify_consistency(old, leaf_hash(b"other"), size, root, &proof));
                assert!(!verify_consistency(old, root_of(old), size, leaf_hash(b"other"), &proof) || old == 0);
                let mut longer = proof.clone();
                longer.push(root);
                assert!(!verify_consistency(old, root_of(old), size, root, &longer));
                if let Some((_, shorter)) = proof.split_last() {
                    assert!(!verify_consistency(old, root_of(old), size, root, shorter));
                }
            }
        }
        assert!(!verify_consistency(size + 1, root, size, root, &[]));
    }
}
